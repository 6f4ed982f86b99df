"""What someone is doing, as people would put it in a word or two: tables of verbs."""

from collections.abc import Collection, Sequence

from vqa.questions.lexicon import word_list, word_set

VERBS = word_list(
    """run walk jump sit stand play ride climb swim hold carry catch throw kick hit
    chase leap look watch wear pose smile sleep lie lay eat drink read write sing
    dance skate ski surf snowboard skateboard swing slide hang fly dive splash wade
    fish talk laugh hug kiss fight wrestle bite lick chew dig push pull drive paddle
    row kayak sail hike jog race bike cycle cook paint draw perform do make take get
    go come try attempt have give show point wave lean kneel crouch squat rest relax
    stretch balance bounce roll spin flip fall land tackle dribble shoot bat pitch
    serve fetch retrieve bark sniff shake float cross follow lead pet feed brush
    wash clean work sell shop buy build fix enjoy prepare wait listen speak shout
    yell scream cry blow smoke wrap cover surround dress pick put drop lift raise
    reach touch grab bend turn move travel skip hop crawl march rollerblade
    parachute stare gaze hide peek practice rock compete battle struggle tug grind trot
    gallop sprint dash scale spray squirt celebrate cheer clap photograph use
    perform stop start hunt raft wakeboard waterski camp shovel sled golf bowl box
    juggle knit gather approach enter leave exit attack embrace cut open toss hurl
    lounge nap cuddle stroll windsurf bound glide"""
)
"""Verbs that are told from nouns by their forms."""

PARTICIPLES = {
    "dressed": "wear",
    "clothed": "wear",
    "seated": "sit",
    "perched": "sit",
    "covered": "cover",
    "surrounded": "surround",
}

_SAID_AS = {
    "running": "run sprint dash trot gallop bound",
    "jogging": "jog",
    "racing": "race",
    "jumping": "jump leap hop",
    "walking": "walk stroll",
    "sitting": "sit lounge",
    "standing": "stand",
    "lying down": "lie lay",
    "sleeping": "sleep nap",
    "swimming": "swim",
    "climbing": "climb scale",
    "surfing": "surf",
    "skiing": "ski",
    "snowboarding": "snowboard",
    "skateboarding": "skateboard",
    "skating": "skate",
    "rollerblading": "rollerblade",
    "windsurfing": "windsurf",
    "riding a bike": "bike cycle",
    "kayaking": "kayak",
    "rowing": "row",
    "paddling": "paddle",
    "rafting": "raft",
    "sailing": "sail",
    "dancing": "dance",
    "singing": "sing",
    "eating": "eat",
    "drinking": "drink",
    "reading": "read",
    "writing": "write",
    "painting": "paint",
    "drawing": "draw",
    "cooking": "cook",
    "talking": "talk speak",
    "posing": "pose",
    "smiling": "smile",
    "laughing": "laugh",
    "crying": "cry",
    "yelling": "yell shout scream",
    "fishing": "fish",
    "hiking": "hike",
    "splashing": "splash",
    "wading": "wade",
    "diving": "dive",
    "swinging": "swing",
    "sliding": "slide",
    "digging": "dig",
    "fighting": "fight",
    "wrestling": "wrestle",
    "hugging": "hug embrace cuddle",
    "kissing": "kiss",
    "kneeling": "kneel",
    "crawling": "crawl",
    "flying": "fly",
    "falling": "fall",
    "barking": "bark",
    "smoking": "smoke",
    "working": "work",
    "shopping": "shop",
    "waving": "wave",
    "clapping": "clap",
    "cheering": "cheer",
    "playing": "play fetch",
    "sledding": "sled",
    "camping": "camp",
    "boxing": "box",
    "knitting": "knit",
    "juggling": "juggle",
    "sniffing": "sniff",
    "tackling": "tackle",
    "wakeboarding": "wakeboard",
    "water skiing": "waterski",
    "marching": "march",
    "relaxing": "relax rest",
    "shoveling": "shovel",
    "golfing": "golf",
    "bowling": "bowl",
    "celebrating": "celebrate",
    "waiting": "wait",
    "stretching": "stretch",
    "taking a picture": "photograph",
}
VERB_ANSWERS = {verb: a for a, verbs in _SAID_AS.items() for verb in verbs.split()}
"""Verb that says enough by itself -> answer."""

VAGUE = word_set("""standing sitting smiling posing playing relaxing waiting talking""")
"""Answers that give way to a more telling one of the same photo."""

SPORTS = {
    "soccer": "soccer",
    "football": "football footballer quarterback",
    "basketball": "basketball",
    "baseball": "baseball softball",
    "tennis": "tennis",
    "hockey": "hockey puck",
    "volleyball": "volleyball",
    "rugby": "rugby",
    "cricket": "cricket",
    "golf": "golf golfing golfer golfs",
    "lacrosse": "lacrosse",
    "badminton": "badminton",
    "skateboarding": "skateboard skateboarder skateboarding skateboards skateboarders",
    "surfing": "surfing surfer surfs surfers surfboard surfboards",
    "snowboarding": "snowboard snowboarder snowboarding snowboards snowboarders",
    "skiing": "skiing skier skis skiers",
    "skating": "skating skaters skater",
    "climbing": "rock_climber rock_climbing climber climbers",
    "karate": "karate martial",
    "wrestling": "wrestler wrestlers sumo",
    "gymnastics": "gymnast gymnastics",
    "boxing": "boxing",
    "cycling": "cyclist cyclists bicyclist bicyclists",
    "motocross": "motocross motorcyclist dirtbike dirt_bike",
    "wakeboarding": "wakeboarding wakeboard wakeboarder",
    "water skiing": "waterskiing waterskier",
    "windsurfing": "windsurfing windsurfer windsurfs",
    "horse racing": "jockey jockeys",
    "kayaking": "kayaking kayaker kayak",
}
"""Sport -> words of a caption that say that it is this one."""

PLAYED = tuple(SPORTS)[:12]
"""Sports that are "played"."""

DOERS = {
    "surfer": "surfing",
    "skier": "skiing",
    "snowboarder": "snowboarding",
    "skateboarder": "skateboarding",
    "climber": "climbing",
    "rock_climber": "climbing",
    "swimmer": "swimming",
    "runner": "running",
    "jogger": "jogging",
    "hiker": "hiking",
    "dancer": "dancing",
    "singer": "singing",
    "cyclist": "riding a bike",
    "bicyclist": "riding a bike",
    "biker": "riding a bike",
    "motorcyclist": "riding a motorcycle",
    "kayaker": "kayaking",
    "rollerblader": "rollerblading",
}
"""Word for a person -> what such a person is doing."""

INSTRUMENTS = word_list("guitar violin drum piano accordion trumpet flute saxophone")

RIDDEN = {
    "skateboard": "skateboarding",
    "surfboard": "surfing",
    "snowboard": "snowboarding",
    "ocean": "surfing",  # "rides a wave"
    "sled": "sledding",
    "swing": "swinging",
    "slide": "sliding",
    "boat": "riding a boat",
    "kayak": "kayaking",
    "bike": "riding a bike",
    "motorcycle": "riding a motorcycle",
    "horse": "riding a horse",
    "scooter": "riding a scooter",
    "atv": "riding an atv",
    "unicycle": "riding a unicycle",
    "tricycle": "riding a tricycle",
    "camel": "riding a camel",
    "elephant": "riding an elephant",
    "cow": "riding a bull",
}
"""What is ridden -> answer."""

_AIMED_AT = "ball frisbee stick toy snowball"
_WITH_OBJECT = {
    "throw": "throwing",
    "toss": "throwing",
    "hurl": "throwing",
    "kick": "kicking",
    "catch": "catching",
    "hit": "hitting",
    "chase": "chasing",
}
_TRICKS = word_set("trick tricks stunt stunts flip wheelie")
_PICTURES = word_set("picture pictures photo photos photograph photographs")


def action(
    verb: str, things: Sequence[str], words: Collection[str], animal: bool
) -> str:
    """What someone is doing, or "" if the verb says too little.

    Args:
        verb: base form.
        things: nouns of the tables after it, objects before places.
        words: all words of the caption.
        animal: whether it is an animal that does it.
    """
    if verb == "ride":
        return next((RIDDEN[thing] for thing in things if thing in RIDDEN), "")
    if verb in ("play", "swing", "bat", "pitch") and not animal:
        sport = next(
            (s for s in PLAYED if any(w in words for w in SPORTS[s].split())), ""
        )
        instrument = next((t for t in things if t in INSTRUMENTS), "")
        if sport or instrument:
            return f"playing {sport or instrument}"
    if verb == "take" and _PICTURES & set(words):
        return "taking a picture"
    if verb in ("do", "perform") and _TRICKS & set(words):
        return "doing a trick"
    if verb in _WITH_OBJECT:
        aims = {"football": "ball", "basketball": "ball"}
        for thing in things:
            if aims.get(thing, thing) in _AIMED_AT.split():
                return f"{_WITH_OBJECT[verb]} a {aims.get(thing, thing)}"
        return ""
    if verb == "blow" and "bubbles" in things:
        return "blowing bubbles"
    if verb == "talk" and "phone" in things:
        return "talking on the phone"
    if verb == "walk" and "dog" in things[:1]:
        return "walking a dog"
    if verb == "fly" and "kite" not in things and not animal:
        return "jumping"
    if verb == "climb" and animal and "water" in things:
        return ""
    if verb == "race" and animal:
        return "running"
    if verb == "shake" and animal:
        return "shaking"
    if verb == "row" and "boat" not in things and "rowing" not in words:
        return ""
    return VERB_ANSWERS.get(verb, "")
