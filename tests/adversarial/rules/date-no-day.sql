born > DATE '2026-02-30'
