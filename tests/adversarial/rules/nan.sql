revenue <> revenue
