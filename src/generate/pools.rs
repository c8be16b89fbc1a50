//! What synthetic people are made of: names, places, and numbers that ring nowhere.
//!
//! Domains are reserved for examples (RFC 2606) or are those of Microsoft's fictitious companies.
//! Phone numbers lie in the ranges that regulators keep free for films and books (Ofcom, Arcep,
//! Bundesnetzagentur), for the United States in the exchange 555; Austria keeps none.

/// A name as people write it, and as it stands in a mail address.
pub type Name = (&'static str, &'static str);

/// A city: its name, the first digits of its postal codes, how many digits follow.
pub type City = (&'static str, &'static str, usize);

/// A range of phone numbers: area, first digits, how many digits follow.
pub type Range = (&'static str, &'static str, usize);

/// A country and the people in it.
#[derive(Debug)]
pub struct Country {
    /// ISO 3166 alpha-2.
    pub code: &'static str,
    /// Country code of phone numbers.
    pub dial: &'static str,
    /// Of 100 people, how many live here.
    pub share: u64,
    /// First names.
    pub first: &'static [Name],
    /// Last names.
    pub last: &'static [Name],
    /// Streets.
    pub streets: &'static [&'static str],
    /// True where the house number stands before the street.
    pub number_first: bool,
    /// Cities.
    pub cities: &'static [City],
    /// Phone numbers; none means nobody here has one.
    pub phones: &'static [Range],
}

/// All countries; their shares sum to 100.
pub const COUNTRIES: [Country; 5] = [
    Country {
        code: "US",
        dial: "1",
        share: 50,
        first: &[
            ("James", "james"),
            ("Mary", "mary"),
            ("Robert", "robert"),
            ("Patricia", "patricia"),
            ("John", "john"),
            ("Jennifer", "jennifer"),
            ("Michael", "michael"),
            ("Linda", "linda"),
            ("David", "david"),
            ("Elizabeth", "elizabeth"),
            ("William", "william"),
            ("Holly", "holly"),
            ("José", "jose"),
            ("Susan", "susan"),
            ("Joseph", "joseph"),
            ("Jessica", "jessica"),
            ("Charles", "charles"),
            ("Karen", "karen"),
            ("DeShawn", "deshawn"),
            ("María", "maria"),
            ("Frank", "frank"),
            ("Ashley", "ashley"),
            ("Kevin", "kevin"),
            ("Emily", "emily"),
        ],
        last: &[
            ("Smith", "smith"),
            ("Johnson", "johnson"),
            ("Williams", "williams"),
            ("Brown", "brown"),
            ("Jones", "jones"),
            ("Garcia", "garcia"),
            ("Miller", "miller"),
            ("Davis", "davis"),
            ("Rodríguez", "rodriguez"),
            ("Martínez", "martinez"),
            ("Hernández", "hernandez"),
            ("Lopez", "lopez"),
            ("Wilson", "wilson"),
            ("Anderson", "anderson"),
            ("Taylor", "taylor"),
            ("Moore", "moore"),
            ("Jackson", "jackson"),
            ("Lee", "lee"),
            ("Thompson", "thompson"),
            ("White", "white"),
            ("O'Connor", "oconnor"),
            ("Peña", "pena"),
            ("Nguyen", "nguyen"),
            ("Walker", "walker"),
            ("Young", "young"),
            ("Dickson", "dickson"),
        ],
        streets: &[
            "Main St",
            "Oak Ave",
            "2nd St",
            "Maple Dr",
            "Park Blvd",
            "Cedar Ln",
            "NE 36th St",
        ],
        number_first: true,
        cities: &[
            ("Seattle", "981", 2),
            ("Bellevue", "980", 2),
            ("Boston", "021", 2),
            ("Newark", "071", 2),
            ("Chicago", "606", 2),
            ("Austin", "787", 2),
            ("Denver", "802", 2),
            ("Hartford", "061", 2),
            ("Miami", "331", 2),
            ("Atlanta", "303", 2),
        ],
        phones: &[
            ("206", "555", 4),
            ("425", "555", 4),
            ("617", "555", 4),
            ("973", "555", 4),
            ("312", "555", 4),
            ("512", "555", 4),
            ("503", "555", 4),
            ("303", "555", 4),
            ("408", "555", 4),
            ("860", "555", 4),
            ("305", "555", 4),
            ("404", "555", 4),
            ("212", "555", 4),
            ("415", "555", 4),
            ("702", "555", 4),
            ("214", "555", 4),
            ("602", "555", 4),
            ("216", "555", 4),
            ("313", "555", 4),
            ("612", "555", 4),
            ("314", "555", 4),
            ("919", "555", 4),
            ("615", "555", 4),
            ("713", "555", 4),
        ],
    },
    Country {
        code: "DE",
        dial: "49",
        share: 24,
        first: &[
            ("Lukas", "lukas"),
            ("Anna", "anna"),
            ("Jürgen", "juergen"),
            ("Lena", "lena"),
            ("Björn", "bjoern"),
            ("Marie", "marie"),
            ("Stefan", "stefan"),
            ("Käthe", "kaethe"),
            ("Karl-Heinz", "karlheinz"),
            ("Sabine", "sabine"),
            ("Günther", "guenther"),
            ("Petra", "petra"),
            ("Emre", "emre"),
            ("Ayşe", "ayse"),
            ("Felix", "felix"),
            ("Julia", "julia"),
            ("Tobias", "tobias"),
            ("Bärbel", "baerbel"),
        ],
        last: &[
            ("Müller", "mueller"),
            ("Schmidt", "schmidt"),
            ("Schneider", "schneider"),
            ("Fischer", "fischer"),
            ("Weber", "weber"),
            ("Meyer", "meyer"),
            ("Wagner", "wagner"),
            ("Becker", "becker"),
            ("Schulz", "schulz"),
            ("Hoffmann", "hoffmann"),
            ("Schäfer", "schaefer"),
            ("Koch", "koch"),
            ("Bauer", "bauer"),
            ("Richter", "richter"),
            ("Schröder", "schroeder"),
            ("Krüger", "krueger"),
            ("Köhler", "koehler"),
            ("Weiß", "weiss"),
            ("Jäger", "jaeger"),
            ("Yılmaz", "yilmaz"),
        ],
        streets: &[
            "Hauptstraße",
            "Bahnhofstraße",
            "Gartenstraße",
            "Birkenweg",
            "Am Mühlbach",
            "Lindenallee",
            "Schillerstraße",
        ],
        number_first: false,
        cities: &[
            ("München", "80", 3),
            ("Berlin", "10", 3),
            ("Hamburg", "20", 3),
            ("Köln", "50", 3),
            ("Frankfurt am Main", "60", 3),
            ("Dresden", "010", 2),
            ("Leipzig", "041", 2),
            ("Würzburg", "970", 2),
        ],
        phones: &[
            ("89", "99998", 3),
            ("30", "23125", 3),
            ("40", "66969", 3),
            ("221", "4710", 3),
            ("69", "90009", 3),
            ("171", "39200", 2),
            ("176", "040690", 2),
        ],
    },
    Country {
        code: "GB",
        dial: "44",
        share: 13,
        first: &[
            ("Oliver", "oliver"),
            ("Olivia", "olivia"),
            ("George", "george"),
            ("Amelia", "amelia"),
            ("Harry", "harry"),
            ("Siân", "sian"),
            ("Callum", "callum"),
            ("Niamh", "niamh"),
            ("Graham", "graham"),
            ("Fiona", "fiona"),
        ],
        last: &[
            ("Evans", "evans"),
            ("Davies", "davies"),
            ("Wright", "wright"),
            ("Clarke", "clarke"),
            ("O'Brien", "obrien"),
            ("MacDonald", "macdonald"),
            ("Smith-Jones", "smithjones"),
            ("Patel", "patel"),
            ("Khan", "khan"),
            ("Llewellyn", "llewellyn"),
        ],
        streets: &["High Street", "Station Road", "Church Lane", "Victoria Road", "Queen's Road"],
        number_first: true,
        cities: &[
            ("London", "SW1A ", 3),
            ("Birmingham", "B1 ", 3),
            ("Manchester", "M1 ", 3),
            ("Leeds", "LS1 ", 3),
            ("Edinburgh", "EH1 ", 3),
        ],
        phones: &[
            ("20", "79460", 3),
            ("121", "4960", 3),
            ("161", "4960", 3),
            ("113", "4960", 3),
            ("131", "4960", 3),
            ("141", "4960", 3),
        ],
    },
    Country {
        code: "FR",
        dial: "33",
        share: 8,
        first: &[
            ("Jean", "jean"),
            ("Françoise", "francoise"),
            ("René", "rene"),
            ("Hélène", "helene"),
            ("Loïc", "loic"),
            ("Chloé", "chloe"),
            ("Benoît", "benoit"),
            ("Inès", "ines"),
        ],
        last: &[
            ("Martin", "martin"),
            ("Bernard", "bernard"),
            ("Dubois", "dubois"),
            ("Lefèvre", "lefevre"),
            ("Moreau", "moreau"),
            ("D'Arcy", "darcy"),
            ("Besançon", "besancon"),
            ("Gérard", "gerard"),
        ],
        // With the comma that French addresses have after the number, so these cells are quoted.
        streets: &["rue de la République", "avenue Victor-Hugo", "place de l'Église"],
        number_first: true,
        cities: &[("Paris", "75", 3), ("Nice", "06", 3), ("Lyon", "69", 3), ("Nîmes", "30", 3)],
        phones: &[
            ("1", "9900", 4),
            ("2", "6191", 4),
            ("3", "5301", 4),
            ("4", "6571", 4),
            ("5", "3649", 4),
        ],
    },
    Country {
        code: "AT",
        dial: "43",
        share: 5,
        first: &[
            ("Johannes", "johannes"),
            ("Magdalena", "magdalena"),
            ("Georg", "georg"),
            ("Theresa", "theresa"),
            ("Günter", "guenter"),
            ("Verena", "verena"),
        ],
        last: &[
            ("Gruber", "gruber"),
            ("Huber", "huber"),
            ("Pichler", "pichler"),
            ("Steiner", "steiner"),
            ("Köck", "koeck"),
            ("Grünwald", "gruenwald"),
        ],
        streets: &["Landstraße", "Mariahilfer Straße", "Kirchenplatz", "Mühlgasse"],
        number_first: false,
        cities: &[("Wien", "10", 2), ("Graz", "80", 2), ("Linz", "40", 2), ("Salzburg", "50", 2)],
        phones: &[],
    },
];

/// Domain of a mail address and its weight. A mailbox at gmail.com cannot have `_` in its name;
/// those made here always do.
pub const DOMAINS: [(&str, u64); 10] = [
    ("example.com", 24),
    ("example.net", 14),
    ("example.org", 12),
    ("gmail.com", 16),
    ("fabrikam.com", 8),
    ("adventure-works.com", 7),
    ("northwindtraders.com", 6),
    ("tailspintoys.com", 5),
    ("wingtiptoys.com", 5),
    ("contoso.com", 3),
];

/// Tiers of the loyalty programme, lowest first.
pub const TIERS: [&str; 4] = ["basic", "silver", "gold", "platinum"];

/// Words for a grant and for a denial; the first of each is the usual one.
pub const GRANTS: [&str; 4] = ["True", "true", "yes", "opt-in"];
/// See [`GRANTS`].
pub const DENIALS: [&str; 4] = ["False", "false", "no", "opt-out"];

/// Why a mail bounced.
pub const REASONS: [&str; 3] = ["mailbox does not exist", "mailbox full", "spam complaint"];
