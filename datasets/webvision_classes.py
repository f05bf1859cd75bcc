"""The first 50 classes of ImageNet, which are mini-WebVision's, in their order: WordNet's number and the first name."""

CLASSES = (
    ("n01440764", "tench"), ("n01443537", "goldfish"), ("n01484850", "great white shark"), ("n01491361", "tiger shark"),
    ("n01494475", "hammerhead"), ("n01496331", "electric ray"), ("n01498041", "stingray"), ("n01514668", "cock"),
    ("n01514859", "hen"), ("n01518878", "ostrich"), ("n01530575", "brambling"), ("n01531178", "goldfinch"),
    ("n01532829", "house finch"), ("n01534433", "junco"), ("n01537544", "indigo bunting"), ("n01558993", "robin"),
    ("n01560419", "bulbul"), ("n01580077", "jay"), ("n01582220", "magpie"), ("n01592084", "chickadee"),
    ("n01601694", "water ouzel"), ("n01608432", "kite"), ("n01614925", "bald eagle"), ("n01616318", "vulture"),
    ("n01622779", "great grey owl"), ("n01629819", "European fire salamander"), ("n01630670", "common newt"),
    ("n01631663", "eft"), ("n01632458", "spotted salamander"), ("n01632777", "axolotl"), ("n01641577", "bullfrog"),
    ("n01644373", "tree frog"), ("n01644900", "tailed frog"), ("n01664065", "loggerhead"),
    ("n01665541", "leatherback turtle"), ("n01667114", "mud turtle"), ("n01667778", "terrapin"),
    ("n01669191", "box turtle"), ("n01675722", "banded gecko"), ("n01677366", "common iguana"),
    ("n01682714", "American chameleon"), ("n01685808", "whiptail"), ("n01687978", "agama"),
    ("n01688243", "frilled lizard"), ("n01689811", "alligator lizard"), ("n01692333", "Gila monster"),
    ("n01693334", "green lizard"), ("n01694178", "African chameleon"), ("n01695060", "Komodo dragon"),
    ("n01697457", "African crocodile"),
)  # fmt: skip
