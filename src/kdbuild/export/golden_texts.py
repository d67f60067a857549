"""Texts that prove an engine and a tokenizer: written for this purpose, from the plain to the malicious."""

from kdbuild.runtime.text.encoding import WORDS

# characters that look like others are the point

_EDGES = (
    "", " ", "\t\n", "a", "I", "!", "7", ".", "'", '"', "-", "_", "\u00a0", "\u200b", "\ufeff", "\u0301", "\x00",
    "\x7f", "a\u0000b", "tab\tseparated\tcells", "two\nlines", "carriage\r\nreturn", "next\u0085line",
    "line\u2028separator", "no\u00a0break\u202fspaces\u3000here", "zero\u200bwidth", "soft\u00adhyphen",
    "left\u200eto\u200fright", "\ue000 is private, \ufffe no character, \U0010ffff the last",
)  # fmt: skip

_SCRIPTS = (
    "İstanbul'da güzel bir film", "Straße und ẞ, groß", "ﬁne ﬂow of ofﬁce", "\u212a is Kelvin and \u212b is Angstrom",
    "naïve café, déjà vu", "e\u0301 is e with acute", "e\u200b\u0301 too", "a\u0323\u0302 and a\u0302\u0323 agree",
    "q\u0307\u0323 has no composite", "Ｆｕｌｌｗｉｄｔｈ ｔｅｘｔ！", "скучный, но честный фильм",
    "μια πολύ ωραία ταινία;", "Σίσυφος and ΣΊΣΥΦΟΣ", "这部电影很好看", "映画はとても面白かった。", "か\u3099 is が",
    "ｶﾞ is halfwidth", "영화가 정말 재미있다", "\u1112\u1161\u11ab\u1100\u1173\u11af as jamo", "فيلم رائع جدا",
    "סרט נהדר, ממש!", "यह फ़िल्म अच्छी है", "หนังสนุกมาก", "ĳ ǅ ǆ ŉ", "Ⅷ ⅷ ½ ² ①", "𝔉𝔯𝔞𝔨𝔱𝔲𝔯 𝒾𝓃 𝓂𝒶𝓉𝒽", "𠮷野家 and 𝄞",
    "ᏣᎳᎩ and ꭰ", "\U0001e900\U0001e922 Adlam", "ǉ\u0308\u0301\u0301",
)  # fmt: skip

_SYMBOLS = (
    "😀", "great 😀👍 really", "👩\u200d👩\u200d👧\u200d👦 family", "👍🏽 medium", "🇫🇷🇯🇵", "☺\ufe0f vs ☺",
    "1\ufe0f\u20e3 keycap", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f is England's",
    "❤\ufe0f\u200d🔥", "★★★★☆", "→ ← ↑ ↓", "€5, £3.50 and ¥900", "100% of 3°C ± 0.5", "a≠b, a≤b, ∑x²", "© 2026 ® ™",
    "§ 3 ¶ 2", "«guillemets» „low“ “high”", "‘single’ ’twas ‚low‘", "5′ 11″",
    "dash – en, — em, ― bar, − minus, ‐ hyphen, ‑ fixed", "wait… what…?", "a<b>c</b>", "x = {y: [1, 2]};", "<mask>",
    "<pad> <unk> <mask>", "<MASK> [MASK] [CLS] [SEP]", "&amp; &lt;mask&gt;", "\\n is not a newline",
    "C:\\temp\\file.txt", "`code` and ``quotes''",
)  # fmt: skip

_RULES = (
    "don't", "Don’t", "DON'T", "can't won't shan't ain't", "cannot gonna wanna gotta",
    "I'm you're he's she'd we'll they've", "shouldn't've", "y'all'd've", "o'clock rock'n'roll ma'am",
    "'tis 'twas 'em 'n' 'cause", "the '70s and '99ers", "1970s' best", "dogs' and dog's",
    "Mr. Smith met Mrs. Jones at St. Ives, etc.", "e.g. i.e. a.m. p.m.", "The U.S. and the U.K.", "J.R.R. Tolkien",
    "vitamin C. Next", "It was I. It was a.", "end.Next sentence", "wait...what", "a..b", ".hidden",
    "3.14 and 1,234,567.89", "10:30 to 12:45", "2-1 win", "well-known state-of-the-art", "-- and --- and ----",
    "-5 degrees", "pre- and post-", "and/or either/or 24/7", "AT&T R&B M&Ms", "snake_case __init__ _",
    "#hashtag @mention", "me@example.com", "https://www.example.com/a/b?c=d&e=f#g", "www.example.co.uk", "v1.2.3-rc4",
    "192.168.0.1", "$1,000.00", "50%off", "C++ and C#", "?!?! !!! ...", "*** four ****", "-lrb- aside -rrb-",
    "-lrb-x", "(round) [square] {curly}", "\"double\" 'single'", "''", "'''", "``", "```", "a''b", "'s", "n't",
    "n'tn't", "'s's's", "x-'s", "a.b.c", "1.a", "a.1", "co.uk inc.",
)  # fmt: skip

_SENTENCES = (
    "A warm, funny film that never puts a foot wrong.",
    "Two hours I won't get back: loud, lazy and far too long.",
    "The cast is better than the script they're given.",
    "I laughed twice, and both times at the wrong moment.",
    "Not bad at all.",
    "Not good, not even close.",
    "It isn't that the ending fails; it's that nothing leads to it.",
    "Beautifully shot, badly told.",
    "My daughter loved it and I did not mind.",
    "The best thing about the second half is that it ends.",
    "a gentle , unhurried story about growing old",
    "the jokes do n't land and the music wo n't stop",
    "neither clever enough to think about nor dumb enough to enjoy",
    "one of the year 's quiet surprises",
    "hardly a masterpiece , but hardly a waste of time either",
    "I'd watch it again tomorrow.",
    "I'd rather watch paint dry again.",
    "THIS IS THE WORST THING I HAVE EVER SEEN",
    "omg so good!!! 😍😍",
    "meh",
    "Battery lasts two days; the charger broke after one.",
    "Works as described, arrived early, fair price.",
    "Stopped working after a week and support never answered.",
    "The app crashes whenever I rotate the screen.",
    "Please cancel my order no. 4711-B and refund me.",
    "How do I change the e-mail address of my account?",
    "Thanks, that fixed it!",
    "Sound is fine for the price, but don't expect any bass.",
    "Returned it. The sleeve was torn and one button was missing.",
    "Five stars for the food, two for the wait.",
    "We asked for a table by the window and got one by the kitchen.",
    "The room was clean, the street was not quiet.",
    "After the update everything is slower than before.",
    "Can't log in since Monday, error 503 every time.",
    "I never thought I'd say this, but the manual is excellent.",
    "It does what it says on the tin.",
    "If you liked the first one, you'll tolerate this.",
    "Who asked for this?",
    "No complaints.",
    "There is nothing here that hasn't been done better.",
)

_LONG = (
    "good " * 1000,
    "never mind the plot , " * 150,
    "x" * 2000,
    "ab-" * 400,
    "don't" * 120,
    "'" * 301,
    "." * 500,
    "😀" * 200,
    "漢字" * 150,
    "e\u0301" * 300,
    "one two three four five six seven eight nine ten " * 13,
)

_LENGTHS = tuple(
    " ".join(("a slow start and a fine end to a film of no great weight but much heart " * 5).split()[:count])
    for count in (2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 48, 64)
)

_PIECES = (
    "goooood filmmm", "sooo borrrring!!!", "teh moive was graet", "unwatchable rewatchability", "don'tt and cann't",
    "antidisestablishmentarianism", "l'homme de l'aujourd'hui, qu'est-ce que c'est", "well-knownn state-of-the-artt",
    "Donaudampfschifffahrtsgesellschaft und Wortschatzes", "xkcd qwrtz zzzzz", "a1b2c3 v2beta3 100kmh", "ångström naïveté",
    "snake_case_name __init__x", "##ing and ## and #", "превосходнейший человеконенавистничество", "영화가 재미없었습니다",
    "والفيلمون واستقبلناهم", "ताजमहल देखनेवालों", "ไม่ชอบหนังเรื่องนี้เลย", "ไม่ชอบ app นี้ updateบ่อยมาก",
    "ພາສາລາວ ភាសាខ្មែរ မြန်မာဘာသာ", "这部电影 的 剧情 很 无聊。但是音乐好听", "这 部 电 影 龘龘龘 不好看",
    "東京タワーへ行ってきましたよ", "iPhoneを買った2024年モデル", "😂😂😂 loool 🤣🤷\u200d♀\ufe0f🙈",
    "\u0378\u0379 unassigneds\u0378x \u0378", "abcdefghijklmnopqrstuvwxyz" * 20, "ชอบ" * 100, "不好看" * 100, "goood " * 400,
)  # fmt: skip

GOLDEN_TEXTS: tuple[str, ...] = (*_EDGES, *_SCRIPTS, *_SYMBOLS, *_RULES, *_SENTENCES, *_LENGTHS, *_LONG)
"""All distinct, all valid Unicode (no lone surrogates, which JSON in UTF-8 can't hold)."""


GoldenRow = tuple[str, ...]
"""A text, or both texts of a pair."""

_ALIKE = (("", ""), ("a", "a"), ("Not bad at all.", "Not bad at all."))
"""Pairs whose texts have the same features: their difference is 0."""


def golden_texts(tokenizer: int, *, pairs: bool = False) -> list[GoldenRow]:
    """Return the golden rows for a student.

    Args:
        tokenizer: its version: where it cuts words into pieces, there are texts that are hard to cut.
        pairs: whether the student reads pairs. The first text is then paired with the last one, the second with the last but
            one, and so on: each text comes first once and second once, beside the same other one, in most pairs far shorter
            or longer.
    """
    texts = GOLDEN_TEXTS if tokenizer == WORDS else (*GOLDEN_TEXTS, *_PIECES)
    if pairs:
        return [*zip(texts, reversed(texts), strict=True), *_ALIKE]
    return [(text,) for text in texts]


def few_golden_texts(tokenizer: int, *, pairs: bool = False) -> list[GoldenRow]:
    """Return twelve of the golden rows, some of every kind, and, where words are cut into pieces, four that are hard to cut."""
    rows = golden_texts(tokenizer, pairs=pairs)
    first, further = rows[: len(GOLDEN_TEXTS)], rows[len(GOLDEN_TEXTS) :]
    chosen = first[:: len(GOLDEN_TEXTS) // 12][:12]
    return chosen if tokenizer == WORDS else [*chosen, *further[:16:4]]
