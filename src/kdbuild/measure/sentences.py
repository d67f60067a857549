"""Texts to time classifiers on where the user gives none: English, of 5 to 35 tokens, as reviews and messages are."""

SENTENCES: tuple[str, ...] = (
    "Thanks, works well.",
    "Not worth the money.",
    "Best soup in this town.",
    "Where is my parcel now?",
    "I would go there again.",
    "The plot makes no sense at all.",
    "Quick answer, kind words, problem solved.",
    "My phone won't charge since the update.",
    "Nobody on the train knew where it stopped.",
    "A small film with a very big heart.",
    "The waiter forgot us twice, then blamed the kitchen.",
    "Please send the invoice to my new address instead.",
    "It looks better in the picture than on the wall.",
    "The second season is slower, but I liked it more.",
    "We waited an hour for a table that had been reserved.",
    "Good screen, poor speakers, and a battery that lasts all day.",
    "I can't find the button that the manual keeps talking about.",
    "She sings as if nobody was listening, and that is her charm.",
    "The hotel is close to the station, which you will hear all night.",
    "After three repairs it still leaks, so I would like my money back.",
    "There are jokes in it that I only understood when I was home again.",
    "If you need a bag that survives rain, mud and children, take this one.",
    "The lecture was well prepared, although half of the slides could not be read.",
    "I ordered the blue one, received the red one, and was asked to pay for both.",
    "He plays the villain with such good manners that you almost hope he wins in the end.",
    "The new version starts faster, but it has lost two of the functions that I used every day.",
    "Every scene is beautifully lit, every line is beautifully spoken, and none of it adds up to a story.",
    "The course begins gently, repeats what matters, and by the fifth week you can write small programs without help.",
    "My grandmother, who never watches anything made after nineteen sixty, stayed awake until the end and "
    "asked for the book.",
    "The support was friendly and answered within minutes, yet nobody could tell me why my account had been "
    "closed two days before.",
    "It is a cheap kettle that does what a kettle should do, though the lid sticks and the cable is too short "
    "for my kitchen.",
    "What begins as a comedy about two brothers who inherit a bakery slowly turns into something darker, and "
    "the change is handled with great care.",
    "I bought these shoes for walking to work, wore them in the mountains for a week instead, and they still "
    "look almost as good as they did in the shop.",
    "The garden is lovely and so was the cake, but we had to ask four times for the bill and then found a "
    "bottle of wine on it that we never drank.",
    "Since the last update the app forgets my settings, shows every message twice and empties the battery "
    "before noon, which it did not do when I paid for it in spring.",
    "For a first novel this is remarkably sure of itself: the voices are distinct, the town feels real, and "
    "only the last chapter hurries where it should have taken its time.",
)
