"""What seeded rows are called: scripts and accents of several countries, none with a tab, backslash or quote."""


def _words(text, separator=None):
    return text.split(separator)


def _names(text):
    """[(as written, as in an email address)]"""
    return [tuple(pair.split("=")) for pair in _words(text)]


FIRST_NAMES = _names(
    "Jürgen=jurgen Sönke=sonke Ulrike=ulrike Amélie=amelie François=francois Zoé=zoe Íñigo=inigo Begoña=begona "
    "Niccolò=niccolo Chiara=chiara Łukasz=lukasz Małgorzata=malgorzata Åsa=asa Björn=bjorn Siân=sian Olive=olive "
    "Noah=noah Grace=grace João=joao Conceição=conceicao Дмитрий=dmitri Светлана=svetlana Γιώργος=giorgos "
    "Ελένη=eleni 美咲=misaki 健太=kenta 지우=jiwoo 伟=wei 丽=li Nguyễn=nguyen İpek=ipek Çağlar=caglar عمر=omar "
    "ليلى=layla प्रिया=priya אורי=ori Ọlá=ola Zanele=zanele Māia=maia Kekoa=kekoa"
)
FAMILY_NAMES = _names(
    "Schröder=schroder Weiß=weiss Lefèvre=lefevre Bénard=benard Muñoz=munoz Etxeberria=etxeberria Colombo=colombo "
    "Kowalczyk=kowalczyk Żak=zak Lindqvist=lindqvist Ødegård=odegard Llewellyn=llewellyn Smith=smith Okafor=okafor "
    "Araújo=araujo Иванова=ivanova Παπαδάκης=papadakis 佐藤=sato 高橋=takahashi 김=kim 王=wang Trần=tran "
    "Yılmaz=yilmaz حداد=haddad शर्मा=sharma לוי=levi Adébáyọ̀=adebayo Dlamini=dlamini Tūhoe=tuhoe Kealoha=kealoha"
)
COMPANIES = _words(
    "Brauerei Lindenhof|Hafenlogistik Nordsee|Müller & Söhne|Fonderies du Rhône|Verrerie Saint-Aubin|Cerámicas Ibáñez|"
    "Officine Zanetti|Huta Śląska|Ångström Instrument|Café São Bento|Завод Энергия|Ελαιώνες Κρήτης|東海精密|한빛전자|"
    "长江物流|Phở Việt|Yıldız Tekstil|شركة النخيل|भारत वस्त्र|Northwind Traders|Harbour & Sons|Redwood Robotics|"
    "Kākāpō Outdoors|Baobab Foods|Lakeside Clinics",
    "|",
)
PLACES = _words(
    "Berlin Lyon Bilbao Torino Kraków Malmö Porto Лиепая Πάτρα 大阪 부산 杭州 Huế İzmir عمّان पुणे Leeds Tauranga"
)
TAGS = _words("vip newsletter renewal reference überfällig 展示会 pilote partner at-risk")
PRODUCTS = _words(
    "Starter licence|Team licence|Enterprise licence|Onboarding|Support contract|Data migration|Schulung|Audit",
    "|",
)
SUBJECTS = {
    "call": ["Discovery call", "Rückruf", "Call about the offer", "Check-in before renewal"],
    "email": ["Sent the offer", "Réponse à la question", "Reference customers", "Contract draft"],
    "meeting": ["Needs assessment", "Vor-Ort-Termin", "Demo for the board", "四半期レビュー"],
    "task": ["Prepare the quote", "Vertrag prüfen", "Update the forecast", "Book the room"],
    "note": ["Decides with the head of operations", "Budget frei ab März", "Prefers to be called", "Nouveau contact"],
}
SENTENCES = [
    "They work in three shifts and want to begin before the summer.",
    "Asked for a short plan with dates; the main worry is the effort on their side.",
    "Möchte das Angebot bis Freitag, mit Staffelpreisen.",
    "Le budget est validé, il manque la signature.",
    "見積もりを確認中。来週返事をもらう予定。",
    "No decision before the fiscal year ends.",
]
