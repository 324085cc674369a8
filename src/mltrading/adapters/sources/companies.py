"""The invented companies of the simulated exchange. Any likeness to a real one is chance."""

from __future__ import annotations

from dataclasses import dataclass

EXCHANGE = "SIM"

# Sector: industry: code and name of each company.
_LISTED: dict[str, dict[str, str]] = {
    "Information Technology": {
        "Software": "ALDM Aldermoor Systems, KESQ Kesquin Software, OBRA Obrant",
        "Semiconductors": "VYTR Vytronel Devices, QUOL Quollis Micro, ZENB Zenbarrow Silicon",
        "IT Services": "HARV Harvelock Consulting, TYDE Tydeford Data, MUNX Munxley Cloud",
        "Technology Hardware": "PELW Pelwick Instruments, KILV Kilverton Devices",
    },
    "Communication Services": {
        "Interactive Media": "FENQ Fenquay Media, LORB Lorbury Social",
        "Telecommunications": "DRAV Dravemont Telecom, SKEL Skelvane Wireless, OSTH Osthollow",
        "Entertainment": "JUBX Jubexa Pictures, WIMP Wimpole Vale Games, CALQ Calquist Music",
    },
    "Consumer Discretionary": {
        "Retail": "BRUM Brumholt Stores, TAVO Tavorel Online, NETW Nettlewade Outfitters",
        "Automobiles": "GRYM Grymeford Motors, VELK Velkary Electric",
        "Hotels and Leisure": "SUNQ Sunquill Resorts, OAKV Oakvarn Inns, PIXB Pixborough Parks",
        "Textiles": "LINX Linxmoor Apparel, WOVQ Wovenquay Mills",
    },
    "Consumer Staples": {
        "Food Products": "MILQ Milquarry Foods, BARL Barlowick Grain, TUNB Tunbrook Dairies",
        "Beverages": "CIDR Cidermarsh Drinks, FIZV Fizvale Waters",
        "Household Products": "SOPW Sopworth Home, LAVN Lavenquay Care",
        "Food Retail": "GROX Groxley Markets, PANT Pantrell Grocers",
    },
    "Health Care": {
        "Pharmaceuticals": "MEDQ Medquilla Pharma, ZYLO Zylorant Therapeutics, ARNV Arnvale Labs",
        "Biotechnology": "GENK Genkestrel Bio, HELX Helxmore Genomics",
        "Medical Devices": "STEN Stenbarrow Surgical, ORTQ Orthquay Implants",
        "Health Services": "CARW Carewick Clinics, WELV Welvane Health",
    },
    "Financials": {
        "Banks": "FIRQ Firquay Bank, HALM Halmstow Savings, BANV Banverly Trust",
        "Insurance": "SURW Surewick Mutual, RISK Riskholm Re, POLV Polverton Life",
        "Capital Markets": "EXQM Exquemere Exchange, ASTB Astbarrow Asset Management",
        "Consumer Finance": "LENQ Lenquist Credit, PAYV Payvarrow Cards",
    },
    "Industrials": {
        "Machinery": "TORQ Torquell Works, GEAV Gearvale Engineering, PRES Presswick Tools",
        "Aerospace": "SKYB Skybarrow Aero, ORBV Orbvane Space",
        "Transportation": "RAIW Railwarden Freight, SHIQ Shipquarrel Lines, AIRM Airmarsh Cargo",
        "Construction": "BRIK Brickholm Build, CRAV Cravenstone Civil",
    },
    "Energy": {
        "Oil and Gas": "DRIQ Drillquest Hollow, PETV Petvarren Oil, GASB Gasborough Fields",
        "Pipelines": "PIPW Pipewarden Midstream, FLOV Flowvane Transport",
        "Energy Equipment": "RIGM Rigmarrow Services, SEIS Seisbrook Survey",
        "Refining": "REFQ Refquarry Fuels, KERB Kerbarrow Fuels",
    },
    "Materials": {
        "Chemicals": "CHEV Chemvarley Compounds, POLQ Polyquern Resins",
        "Metals and Mining": "IROM Ironmantle Ores, COPB Copperbeck Mines, LITV Lithvarn Minerals",
        "Paper and Packaging": "BOXW Boxwillow Packaging, PULM Pulpmoor Paper",
        "Construction Materials": "CEMQ Cemquarrow Stone",
    },
    "Utilities": {
        "Electric Utilities": "VOLB Voltbarrow Power, GRIV Gridvale Electric, AMPW Ampwick Light",
        "Gas Utilities": "METQ Methquay Gas",
        "Water Utilities": "AQUV Aquavarn Water, RESM Resmere Reservoirs",
        "Renewables": "WINB Windbeck Renewables, SOLQ Solquern Sun",
    },
    "Real Estate": {
        "Office": "OFFV Offvarden Towers, DESB Deskborough Office",
        "Residential": "HOMQ Homequarry Homes, FLAW Flatwick Living",
        "Industrial Property": "STOV Stovarn Storage, LOGM Logmere Parks",
        "Retail Property": "MALQ Mallquist Centres, SHOB Shopbeck Plazas",
    },
}


@dataclass(frozen=True, slots=True)
class Company:
    code: str
    name: str
    sector: str
    industry: str


def _companies() -> tuple[Company, ...]:
    return tuple(
        Company(f"{listed.split(' ', 1)[0]}.{EXCHANGE}", listed.split(" ", 1)[1], sector, industry)
        for sector, industries in _LISTED.items()
        for industry, companies in industries.items()
        for listed in companies.split(", ")
    )


COMPANIES = _companies()
SECTORS = tuple(_LISTED)
MINUTES_FOR_YEARS = {"ALDM.SIM": 10, "FIRQ.SIM": 1, "MEDQ.SIM": 1, "PETV.SIM": 1, "TAVO.SIM": 1}
"""How many years of 1-minute bars, up to the newest session, a company has."""
