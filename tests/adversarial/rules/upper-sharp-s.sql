upper('straße') = 'STRASSE'
