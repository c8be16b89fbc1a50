"""The words that the Contoso data is made of. No person in it exists.

Domains are reserved for examples (RFC 2606 and 6761) or are those of Microsoft's fictitious
companies. Phone numbers come from ranges that regulators keep free for films and books, as far as
libphonenumber calls them valid.
"""

# country: share of the customers in percent, male and female first names, last names, streets.
PEOPLE = {
    "DE": {
        "share": 56,
        "men": """
            Lukas Jonas Felix Maximilian Paul Leon Finn Elias Noah Ben Jürgen Günther Björn
            Jörg Sören Matthias Stefan Andreas Thomas Michael Klaus Wolfgang Uwe Dieter
            Rainer Holger Sven Torsten Karl-Heinz Hans-Peter Emre Mehmet Götz Rüdiger Volker
            Tobias Florian Sebastian Philipp Moritz
        """.split(),
        "women": """
            Anna Lena Marie Sophie Emma Mia Hannah Leonie Käthe Jördis Bärbel Sabine Petra
            Monika Renate Ursula Brigitte Karin Heike Silke Anja Katrin Nicole Stefanie
            Julia Laura Sarah Lisa Franziska Katharina Ayşe Elif Zoë Chloé Rosemarie
            Anne-Kathrin Eva-Maria Annegret Friederike Swantje
        """.split(),
        "last": """
            Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann
            Schäfer Koch Bauer Richter Klein Wolf Schröder Neumann Schwarz Zimmermann Braun
            Krüger Hofmann Hartmann Lange Schmitt Werner Krause Meier Lehmann Schmid Schulze
            Maier Köhler Herrmann König Walter Mayer Huber Kaiser Fuchs Peters Lang Scholz
            Möller Weiß Jung Hahn Schubert Vogel Friedrich Keller Günther Frank Berger
            Winkler Roth Beck Lorenz Baumann Franke Albrecht Schuster Simon Ludwig Böhm
            Winter Kraus Martin Schumacher Krämer Vogt Stein Jäger Otto Sommer Groß Seidel
            Heinrich Brandt Haas Schreiber Graf Schulte Dietrich Ziegler Kuhn Kühn Pohl
            Engel Horn Busch Bergmann Thomas Voigt Sauer Arnold Wolff Pfeiffer Yılmaz Öztürk
            Kılıç Nguyen
        """.split(),
        "streets": """
            Hauptstraße Bahnhofstraße Gartenstraße Schulstraße Dorfstraße Bergstraße
            Birkenweg Lindenallee Kirchgasse Waldstraße Ringstraße Schillerstraße
            Goethestraße Wiesenweg Am_Mühlbach Rosenweg Jahnstraße Marktplatz Gänsemarkt
            Königsallee
        """.split(),
    },
    "AT": {
        "share": 9,
        "men": """
            Johannes David Jakob Georg Franz Josef Herbert Manfred Gerhard Christoph Günter
            Jürgen
        """.split(),
        "women": """
            Magdalena Theresa Elisabeth Johanna Verena Barbara Christine Gertrude Eva
            Bettina Käthe
        """.split(),
        "last": """
            Gruber Huber Bauer Wagner Müller Pichler Steiner Moser Mayer Hofer Leitner
            Berger Fuchs Eder Fischer Schmid Winkler Weber Schwarz Maier Schneider Reiter
            Mayr Schmidt Wimmer Egger Brunner Lang Baumgartner Auer Binder Lechner Wolf
            Wallner Aigner Ebner Köck Kögl Grünwald
        """.split(),
        "streets": """
            Landstraße Mariahilfer_Straße Wiener_Straße Kirchenplatz Feldgasse Mühlgasse
            Dorfplatz
        """.split(),
    },
    "US": {
        "share": 10,
        "men": """
            James Robert John Michael William David Richard Joseph Charles Daniel Matthew
            Anthony Mark José Ángel Tyler Brandon DeShawn Kevin Brian
        """.split(),
        "women": """
            Mary Patricia Jennifer Linda Elizabeth Barbara Susan Jessica Karen Ashley Holly
            Debby María Guadalupe Brianna Kimberly Emily Donna Michelle Amanda
        """.split(),
        "last": """
            Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez
            Hernández Lopez Gonzalez Wilson Anderson Taylor Moore Jackson Lee Perez Thompson
            White Harris Sánchez Clark Ramirez Lewis Robinson Walker Young Allen King Wright
            Scott Torres Peña O'Connor Dickson Núñez
        """.split(),
        "streets": """
            Main_St Oak_Ave 2nd_St Maple_Dr Park_Blvd Cedar_Ln NE_36th_St Elm_St
            Washington_Ave
        """.split(),
    },
    "GB": {
        "share": 10,
        "men": """
            Oliver George Harry Jack Jacob Charlie Thomas Oscar William James Seán Rhys
            Callum Graham
        """.split(),
        "women": """
            Olivia Amelia Isla Ava Emily Siân Niamh Zoë Fiona Margaret Gillian Harriet Poppy
            Eleanor
        """.split(),
        "last": """
            Smith Jones Taylor Brown Williams Wilson Johnson Davies Robinson Wright Thompson
            Evans Walker White Roberts Green Hall Wood Jackson Clarke O'Brien O'Neill
            MacDonald McKenzie Fitzgerald Smith-Jones Patel Khan Begum Llewellyn
        """.split(),
        "streets": """
            High_Street Station_Road Church_Lane Victoria_Road Mill_Lane Queen's_Road
            The_Green
        """.split(),
    },
    "FR": {
        "share": 9,
        "men": """
            Jean Pierre Michel André Philippe René Louis François Rémi Jérôme Loïc Benoît
            Théo Hugo
        """.split(),
        "women": """
            Marie Jeanne Françoise Monique Hélène Cécile Zoé Chloé Élodie Amélie Noëlle
            Camille Inès
        """.split(),
        "last": """
            Martin Bernard Thomas Petit Robert Richard Durand Dubois Moreau Laurent Simon
            Michel Lefèvre Leroy Roux David Bertrand Morel Fournier Girard Bonnet Dupont
            Lambert Fontaine Rousseau Gérard Muñoz Lécuyer D'Arcy Besançon Noël Béranger
        """.split(),
        "streets": """
            rue_de_la_République avenue_Victor-Hugo rue_du_Général-Leclerc place_de_l'Église
        """.split(),
    },
    "PL": {
        "share": 6,
        "men": """
            Jan Piotr Krzysztof Andrzej Tomasz Paweł Michał Łukasz Grzegorz Wojciech
            Stanisław Józef
        """.split(),
        "women": """
            Maria Anna Małgorzata Katarzyna Agnieszka Ewa Elżbieta Zofia Joanna Jadwiga
            Bożena
        """.split(),
        "last": """
            Nowak Wójcik Kowalczyk Kamiński Lewandowski Zieliński Szymański Woźniak
            Dąbrowski Kozłowski Jankowski Mazur Krawczyk Piotrowski Grabowski Zając Król
            Wieczorek Jabłoński Wróbel Michalski Stępień Górski Pawlak Sikora
        """.split(),
        "streets": """
            ul._Polna ul._Leśna ul._Ogrodowa ul._Kościuszki ul._Długa ul._Słoneczna
        """.split(),
    },
}

# country: city, first part of the postal code, how many digits are free, phone area if any.
CITIES = {
    "DE": [
        ("München", "80", 3, "89"),
        ("München", "81", 3, "89"),
        ("Berlin", "10", 3, "30"),
        ("Berlin", "12", 3, "30"),
        ("Hamburg", "20", 3, "40"),
        ("Köln", "50", 3, "221"),
        ("Frankfurt am Main", "60", 3, "69"),
        ("Dresden", "010", 2, None),
        ("Leipzig", "041", 2, None),
        ("Halle (Saale)", "061", 2, None),
        ("Chemnitz", "091", 2, None),
        ("Nürnberg", "90", 3, None),
        ("Lübeck", "235", 2, None),
        ("Würzburg", "970", 2, None),
        ("Münster", "481", 2, None),
        ("Tübingen", "720", 2, None),
        ("Stuttgart", "70", 3, None),
        ("Fürth", "907", 2, None),
    ],
    "AT": [
        ("Wien", "10", 2, None),
        ("Wien", "11", 2, None),
        ("Graz", "80", 2, None),
        ("Linz", "40", 2, None),
        ("Salzburg", "50", 2, None),
        ("St. Pölten", "31", 2, None),
        ("Wörgl", "63", 2, None),
    ],
    "US": [
        ("Seattle", "981", 2, "206"),
        ("Bellevue", "980", 2, "425"),
        ("Boston", "021", 2, "617"),
        ("Newark", "071", 2, "973"),
        ("Chicago", "606", 2, "312"),
        ("Austin", "787", 2, "512"),
        ("Portland", "972", 2, "503"),
        ("Denver", "802", 2, "303"),
        ("San José", "951", 2, "408"),
        ("Hartford", "061", 2, "860"),
        ("Miami", "331", 2, "305"),
        ("Atlanta", "303", 2, "404"),
    ],
    "GB": [
        ("London", "SW", 0, "20"),
        ("Birmingham", "B", 0, "121"),
        ("Manchester", "M", 0, "161"),
        ("Leeds", "LS", 0, "113"),
        ("Edinburgh", "EH", 0, "131"),
        ("Glasgow", "G", 0, "141"),
    ],
    "FR": [
        ("Paris", "75", 3, "1"),
        ("Nice", "06", 3, "4"),
        ("Lyon", "69", 3, "4"),
        ("Rennes", "35", 3, "2"),
        ("Besançon", "25", 3, "3"),
        ("Nîmes", "30", 3, "4"),
        ("Bordeaux", "33", 3, "5"),
        ("Bourg-en-Bresse", "01", 3, "4"),
    ],
    "PL": [
        ("Warszawa", "00-", 3, None),
        ("Kraków", "30-", 3, None),
        ("Łódź", "90-", 3, None),
        ("Wrocław", "50-", 3, None),
        ("Poznań", "60-", 3, None),
        ("Gdańsk", "80-", 3, None),
    ],
}


# Numbers for films and books, as (area, digits before the free ones, how many are free).
# Bundesnetzagentur; NANPA 555-01xx; Ofcom; Arcep. Austria and Poland keep no such range.
# Left out, as libphonenumber does not call them valid: 07700 900xxx, 01632 960xxx, 06 39 98 xx xx.
PHONES = {
    "DE": [
        ("89", "99998", 3),
        ("30", "23125", 3),
        ("40", "66969", 3),
        ("221", "4710", 3),
        ("69", "90009", 3),
        ("171", "39200", 2),
        ("176", "040690", 2),
    ],
    "US": [
        (area, "55501", 2) for area in "206 425 617 973 312 512 503 303 408 860 305 404".split()
    ],
    "GB": [
        ("20", "79460", 3),
        ("121", "4960", 3),
        ("161", "4960", 3),
        ("113", "4960", 3),
        ("131", "4960", 3),
        ("141", "4960", 3),
    ],
    "FR": [
        ("1", "9900", 4),
        ("2", "6191", 4),
        ("3", "5301", 4),
        ("4", "6571", 4),
        ("5", "3649", 4),
    ],
}
DIAL = {"DE": "49", "US": "1", "GB": "44", "FR": "33"}

# Domain and weight. A gmail.com mailbox cannot have `_` in its name, and ours always do.
DOMAINS = [
    ("example.com", 20),
    ("example.net", 12),
    ("example.org", 10),
    ("gmail.com", 14),
    ("fabrikam.com", 7),
    ("adventure-works.com", 6),
    ("northwindtraders.com", 6),
    ("tailspintoys.com", 5),
    ("wingtiptoys.com", 5),
    ("litwareinc.com", 5),
    ("proseware.com", 4),
    ("fourthcoffee.com", 3),
    ("contoso.com", 3),
]
# The same domain twice: as people write it, and as it goes over the wire (IDNA).
IDN_DOMAINS = [
    ("bücher.example", "xn--bcher-kva.example"),
    ("müller-söhne.example", "xn--mller-shne-kcb9d.example"),
]

FOLD = str.maketrans(
    {
        "ä": "ae",
        "ö": "oe",
        "ü": "ue",
        "ß": "ss",
        "é": "e",
        "è": "e",
        "ê": "e",
        "ë": "e",
        "ç": "c",
        "î": "i",
        "ï": "i",
        "í": "i",
        "ı": "i",
        "ğ": "g",
        "ş": "s",
        "ñ": "n",
        "á": "a",
        "â": "a",
        "à": "a",
        "ó": "o",
        "ô": "o",
        "ú": "u",
        "ł": "l",
        "ą": "a",
        "ę": "e",
        "ś": "s",
        "ż": "z",
        "ź": "z",
        "ć": "c",
        "ń": "n",
        "'": None,
        "-": None,
        ".": None,
        " ": None,
    }
)
# As a clerk without such keys types it: the letter alone.
BARE = str.maketrans(
    "äöüéèêëçîïíñáâàóôúąęśżźćńÄÖÜÉÁ",
    "aoueeeeciiinaaaoouaeszzcnAOUEA",
)
