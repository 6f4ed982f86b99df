"""Everyday things: the tables of nouns behind the questions made from captions.

Words are in the singular; `_` joins the words of one term. Nothing is learned.
"""


def word_set(text: str) -> frozenset[str]:
    """The words of a text, for a table that can be read."""
    return frozenset(text.split())


def word_list(text: str) -> tuple[str, ...]:
    """The words of a text, in order."""
    return tuple(text.split())


NOUNS: dict[str, dict[str, str]] = {
    # kind -> the word that questions and answers use -> other words for the same
    "person": {
        "man": """guy gentleman male fellow policeman fisherman cowboy groom businessman
            father grandfather dad old_man young_man santa dude""",
        "woman": "lady female bride mother mom grandmother young_woman",
        "boy": "young_boy little_boy schoolboy",
        "girl": "young_girl little_girl schoolgirl",
        "baby": "infant newborn",
        "child": "kid toddler youngster small_child",
        "person": """someone somebody individual adult human player rider skateboarder
            snowboarder skier surfer climber biker cyclist bicyclist hiker runner racer
            swimmer dancer performer worker teenager teen youth athlete skater driver
            musician singer artist photographer wrestler kayaker motorcyclist member
            goalie goalkeeper pitcher catcher batter referee friend spectator passenger
            rollerblader clown soldier student officer gymnast diver cheerleader vendor
            boxer jogger rock_climber opponent owner guitarist bicycler customer tourist
            pedestrian footballer fan onlooker parent brother sister teammate chef cook
            waiter farmer mountain_climber family team""",
        "crowd": "audience",
    },
    "animal": {
        "dog": """puppy pup poodle greyhound labrador lab retriever golden_retriever
            collie border_collie terrier husky beagle bulldog pitbull pit_bull dalmatian
            dalmation doberman german_shepherd shepherd pug hound dachshund corgi
            chihuahua mutt black_lab""",
        "cat": "kitten kitty",
        "horse": "pony stallion foal",
        "bird": "seagull pigeon goose eagle parrot chicken hawk owl gull flamingo",
        "duck": "duckling",
        "swan": "",
        "cow": "cattle calf bull ox",
        "sheep": "lamb",
        "goat": "",
        "elephant": "",
        "camel": "",
        "monkey": "",
        "bear": "",
        "deer": "",
        "fish": "",
        "tiger": "",
        "giraffe": "",
        "zebra": "",
        "squirrel": "",
        "rabbit": "bunny",
        "animal": "creature",
    },
    "clothing": {
        "shirt": """t-shirt tshirt tee_shirt t_shirt jersey blouse polo_shirt tank_top
            top""",
        "jacket": "coat parka windbreaker raincoat winter_coat",
        "sweater": "sweatshirt hoodie hooded_sweatshirt",
        "pants": "trousers slacks sweatpants",
        "jeans": "blue_jeans",
        "shorts": "",
        "dress": "gown sundress",
        "skirt": "tutu",
        "suit": "tuxedo business_suit",
        "hat": "cap baseball_cap cowboy_hat beanie straw_hat hardhat hard_hat bonnet",
        "helmet": "",
        "sunglasses": "sun_glasses",
        "glasses": "eyeglasses spectacles",
        "goggles": "",
        "scarf": "headscarf",
        "bandana": "bandanna",
        "headband": "",
        "mask": "",
        "wig": "",
        "gloves": "glove mittens",
        "shoes": "shoe sneakers sandals sandal sneaker high_heels flip_flops",
        "boots": "boot",
        "socks": "sock",
        "swimsuit": """bathing_suit bikini swimming_suit swim_suit swimming_trunks
            trunks swim_trunks bathing_trunks""",
        "wetsuit": "wet_suit",
        "uniform": "",
        "costume": "",
        "vest": "life_vest life_jacket lifejacket",
        "tie": "necktie",
        "backpack": "rucksack back_pack",
        "apron": "",
        "collar": "",
        "harness": "",
        "muzzle": "",
        "headphones": "earphones",
        "robe": "",
        "overalls": "",
        "necklace": "beads",
        "snowsuit": "",
        "rollerblades": "roller_blades inline_skates rollerskates roller_skates",
        "outfit": "clothes clothing attire",
    },
    "vehicle": {
        "bike": "bicycle bmx_bike mountain_bike bmx trick_bike",
        "motorcycle": "motorbike moped dirt_bike dirtbike",
        "car": "automobile jeep suv race_car racecar taxi vehicle sedan",
        "truck": "pickup pickup_truck firetruck fire_truck",
        "bus": "",
        "train": "subway_train",
        "boat": "rowboat sailboat motorboat speedboat ship",
        "canoe": "",
        "kayak": "",
        "raft": "",
        "airplane": "plane jet aeroplane",
        "helicopter": "",
        "scooter": "",
        "atv": "four_wheeler four-wheeler quad",
        "tractor": "",
        "wagon": "",
        "cart": "shopping_cart grocery_cart",
        "stroller": "",
        "wheelchair": "",
        "unicycle": "",
        "tricycle": "trike",
        "van": "",
        "carriage": "",
        "sled": "sledge toboggan",
        "snowmobile": "",
    },
    "object": {
        "ball": "tennis_ball soccer_ball beach_ball",
        "basketball": "",
        "football": "rugby_ball",
        "frisbee": "disc disk",
        "stick": "branch twig",
        "toy": "stuffed_animal teddy_bear doll chew_toy dog_toy",
        "rope": "",
        "skateboard": "",
        "surfboard": "surf_board boogie_board bodyboard",
        "snowboard": "",
        "skis": "",
        "tennis_racket": "racket racquet tennis_racquet",
        "bat": "baseball_bat",
        "camera": "video_camera",
        "phone": "cellphone cell_phone telephone mobile_phone",
        "guitar": "",
        "violin": "",
        "drum": "",
        "piano": "keyboard",
        "accordion": "",
        "trumpet": "",
        "flute": "",
        "saxophone": "",
        "microphone": "",
        "book": "",
        "newspaper": "",
        "magazine": "",
        "sign": "banner",
        "flag": "",
        "umbrella": "parasol",
        "bag": "purse handbag shopping_bag suitcase luggage",
        "bottle": "water_bottle",
        "cup": "mug glass",
        "cigarette": "cigar",
        "balloon": "",
        "bubbles": "bubble",
        "flower": "",
        "leash": "",
        "kite": "",
        "gun": "rifle pistol water_gun",
        "sword": "",
        "hula_hoop": "hoop",
        "net": "",
        "hose": "",
        "sprinkler": "",
        "laptop": "computer",
        "parachute": "",
        "paddle": "oar",
        "fishing_pole": "fishing_rod",
        "bone": "",
        "tire": "",
        "box": "",
        "bucket": "pail",
        "shovel": "",
        "basket": "",
        "candle": "",
        "pillow": "",
        "blanket": "",
        "towel": "",
        "television": "tv",
        "mirror": "",
        "hurdle": "obstacle",
        "tent": "",
        "wheel": "",
        "snowball": "",
        "paper": "",
        "puck": "",
        "money": "",
        "map": "",
        "pole": "",
        "ladder": "",
        "swing": "tire_swing",
        "slide": "water_slide playground_slide",
        "trampoline": "",
        "ramp": "skateboard_ramp skate_ramp half_pipe",
        "rail": "railing handrail",
        "fence": "",
        "bench": "park_bench",
        "chair": "lawn_chair stool armchair",
        "couch": "sofa",
        "bed": "",
        "table": "picnic_table desk",
        "seesaw": "",
        "merry-go-round": "carousel",
        "roller_coaster": "rollercoaster",
        "statue": "sculpture",
        "fountain": "water_fountain",
        "bridge": "",
        "log": "fallen_tree",
        "rock": "boulder stone",
        "wall": "brick_wall stone_wall",
        "door": "doorway",
        "window": "",
        "stairs": "steps staircase stair",
        "vase": "",
        "clock": "",
        "toilet": "",
        "sink": "",
        "oven": "stove",
        "refrigerator": "fridge",
        "traffic_light": "",
        "stop_sign": "",
        "fire_hydrant": "hydrant",
        "knife": "",
        "fork": "",
        "spoon": "",
        "remote": "wii_remote",
    },
    "food": {
        "food": "meal snack dinner lunch breakfast",
        "pizza": "",
        "cake": "birthday_cake",
        "sandwich": "",
        "ice_cream": "",
        "lollipop": "candy",
        "apple": "",
        "banana": "",
        "fruit": "",
        "hot_dog": "hotdog",
        "watermelon": "",
        "drink": "beverage soda",
        "beer": "",
        "wine": "",
        "coffee": "",
        "bread": "",
        "donut": "doughnut",
        "vegetables": "vegetable broccoli carrot",
    },
    "place": {
        "grass": """grassy_field grassy_area lawn green_field field_of_grass green_grass
            grassy_lawn grassland tall_grass grassy_yard grassy_ground""",
        "field": "meadow pasture baseball_field soccer_field football_field cornfield",
        "park": "dog_park skate_park skatepark",
        "beach": "seashore sandy_beach shore shoreline coast",
        "sand": "sand_dune dune sandy_area",
        "snow": """snowy_field snow-covered_field snowy_ground snowy_hill snowy_mountain
            snowy_slope snow-covered_ground snowbank snow_bank snowy_area""",
        "water": "body_of_water waters",
        "ocean": "sea ocean_water wave ocean_wave",
        "lake": "",
        "river": "creek stream rapids",
        "pond": "",
        "pool": "swimming_pool kiddie_pool wading_pool inflatable_pool",
        "puddle": "mud_puddle",
        "waterfall": "",
        "mud": "",
        "dirt": "dirt_path dirt_road dirt_track dirt_trail dirt_field",
        "street": "city_street",
        "road": "highway roadway gravel_road",
        "sidewalk": "pavement walkway curb",
        "path": "trail pathway",
        "track": "race_track racetrack",
        "hill": "hillside grassy_hill slope",
        "mountain": "mountainside mountaintop mountain_top snow_mountain",
        "cliff": "cliff_face rock_face rock_cliff rocky_cliff",
        "forest": "woods wooded_area woodland jungle",
        "desert": "",
        "yard": "backyard back_yard garden front_yard",
        "playground": "",
        "court": "tennis_court basketball_court",
        "stage": "",
        "room": "living_room bedroom hallway classroom",
        "kitchen": "",
        "bathroom": "",
        "restaurant": "cafe diner",
        "store": "shop market grocery_store supermarket mall",
        "gym": "gymnasium",
        "stadium": "arena",
        "subway": "subway_station train_station",
        "city": "town urban_area",
        "parking_lot": "",
        "dock": "pier boardwalk",
        "bathtub": "tub bath",
        "floor": "hardwood_floor tile_floor",
        "carpet": "rug",
        "ice": "ice_rink rink hockey_rink skating_rink",
        "building": "house church barn skyscraper",
        "office": "",
        "farm": "",
        "ground": "concrete cement",
        "porch": "deck patio balcony",
        "tunnel": "",
        "museum": "",
        "airport": "runway",
        "zoo": "",
    },
    "nature": {
        "tree": "palm_tree pine_tree",
        "leaves": "leaf",
        "bushes": "bush shrub",
        "sky": "blue_sky",
        "sun": "",
        "sunset": "sunrise",
        "clouds": "cloud",
        "rain": "",
        "fire": "campfire flames",
        "smoke": "",
        "hay": "",
    },
    "rest": {  # known to be nouns, and not asked for
        "thing": """something object item stuff day night evening background front
            foreground side bottom middle edge corner back picture photo
            photograph image view scene distance way set pile group line row
            bunch number pair couple pack herd flock lot trick stunt jump
            flip game race event party wedding parade match competition
            sport play area equipment gear structure piece part type kind
            color pattern name shade shadow body lap knee shoulder chest
            neck finger feet paw tooth end home life song music fun control
            wind light pose step time bar ring teeth tongue hair beard mouth
            head hand face ear eye leg arm tail nose air midair mid-air
            mohawk tattoo foot board band soccer tennis baseball volleyball
            hockey rugby cricket golf ballet karate camera_lens peace_sign
            truck_bed flower_bed river_bed""",
    },
}

MANY_IN_ONE = word_set("family team audience cattle")
"""Singular words for an unknown number."""

MASS = word_set(
    """grass snow water sand mud dirt hay smoke fire ice food rain money paper bread
    wine beer coffee fruit"""
)
"""Words asked for with "any", never with "a"."""

PLURAL = word_set(
    """leaves bushes clouds bubbles sunglasses glasses goggles jeans pants shorts shoes
    boots socks gloves headphones skis stairs rollerblades vegetables overalls
    trousers steps"""
)
"""Words that questions use in the plural only."""

ALSO_CALLED = {
    "bike": "bicycle",
    "motorcycle": "motorbike",
    "pants": "trousers",
    "jacket": "coat",
    "swimsuit": "bathing_suit",
    "stairs": "steps",
    "couch": "sofa",
    "ocean": "sea",
    "phone": "cell_phone",
    "child": "kid",
    "woman": "lady",
}
"""Word -> another for the same that questions use about as often."""

BROADER = {
    "man": "person",
    "woman": "person",
    "boy": "child",
    "girl": "child",
    "baby": "child",
    "child": "person",
    "crowd": "person",
    "duck": "bird",
    "swan": "bird",
}
"""Word -> a wider word for it. All animals are an `animal` besides."""

IMPLIES = {
    "beach": "sand water sky",
    "ocean": "water sky",
    "lake": "water sky",
    "river": "water",
    "pond": "water",
    "pool": "water",
    "puddle": "water",
    "waterfall": "water",
    "surfboard": "water ocean",
    "boat": "water",
    "canoe": "water boat",
    "kayak": "water boat",
    "raft": "water boat",
    "forest": "tree",
    "leaves": "tree",
    "field": "grass",
    "lawn": "grass",
    "yard": "grass",
    "city": "building street",
    "street": "building",
    "mountain": "sky",
    "skis": "snow",
    "snowboard": "snow",
    "sled": "snow",
    "basketball": "ball",
    "football": "ball",
    "sunset": "sky sun",
    "clouds": "sky",
    "airplane": "sky",
    "helicopter": "sky",
    "grassy": "grass",
    "snowy": "snow",
    "snow-covered": "snow",
    "snowing": "snow",
    "wooded": "tree forest",
    "soccer": "ball",
    "volleyball": "ball",
    "tennis": "ball tennis_racket",
    "baseball": "ball bat",
    "swimming": "water",
    "surfing": "water ocean",
    "surfer": "water ocean surfboard",
    "skier": "snow skis",
    "skiing": "snow skis",
    "snowboarder": "snow snowboard",
    "snowboarding": "snow snowboard",
    "skateboarder": "skateboard",
    "skateboarding": "skateboard",
    "cyclist": "bike",
    "bicyclist": "bike",
    "motorcyclist": "motorcycle",
    "sandy": "sand",
    "sunny": "sun sky",
    "dune": "sand",
    "concert": "person crowd",
}
"""Word -> what is in the photo too, whether or not a caption says so."""

ALIKE = tuple(
    frozenset(words.split())
    for words in (
        "street road sidewalk path track city parking_lot ground dirt",
        "grass field yard park hill playground farm forest path leaves",
        "water ocean lake river pond pool puddle beach waterfall fountain bathtub mud",
        "sand beach desert dirt ground mud",
        "dirt mud path road sand ground track field",
        "mountain hill cliff rock",
        "rock wall stairs cliff",
        "tree forest leaves bushes yard park mountain log",
        "shirt jacket sweater vest uniform outfit dress suit robe costume wetsuit",
        "pants jeans shorts outfit suit uniform overalls costume",
        "dress skirt costume outfit robe",
        "swimsuit shorts wetsuit outfit",
        "hat headband bandana scarf costume wig",
        "helmet uniform costume",
        "sunglasses glasses goggles",
        "shoes boots socks rollerblades",
        "toy ball frisbee stick rope bone football basketball snowball balloon",
        "ball football basketball snowball puck",
        "stick pole log bat paddle rope",
        "building city store street restaurant room wall window stadium",
        "car truck van bus tractor",
        "boat canoe kayak raft dock",
        "rail fence wall pole ramp stairs ladder net",
        "bag backpack basket box",
        "bench chair couch table wall stairs",
        "room kitchen restaurant store office gym bathroom subway museum",
        "room floor carpet couch bed chair table",
        "bottle cup drink beer coffee wine",
        "flower bushes leaves yard",
        "person crowd",
        "bike motorcycle scooter tricycle unicycle atv",
        "leash collar harness muzzle rope",
        "sky sun clouds sunset",
        "sign flag",
        "fire smoke",
        "snow ice",
        "swing rope",
        "bird duck swan",
    )
)
"""Words for things that people mistake for, or call by the name of, one another.

If one of such a set is in a photo, nothing is known about the others."""

PARTS = {
    "vehicle": "tire wheel window door mirror",
    "building": "window door wall stairs",
}
"""Word, or kind of word -> parts that nobody mentions, and that may be there."""

NUMBERS = {
    word: number
    for number, name in enumerate(
        word_list("one two three four five six seven eight nine ten"),
        1,
    )
    for word in (name, str(number))
}

COLORS = {
    "red": "maroon crimson",
    "blue": "navy turquoise aqua teal",
    "green": "",
    "yellow": "",
    "orange": "",
    "pink": "",
    "purple": "violet lavender",
    "black": "",
    "white": "cream",
    "brown": "",
    "gray": "grey silver",
    "tan": "beige khaki",
    "gold": "golden",
    "blonde": "blond",
}
"""Colour, as answered -> other words for it."""

ADJECTIVES = word_set(
    """young old older elderly younger middle-aged asian african american indian bald
    bearded teenage dark light bright dark-haired shirtless barefoot smiling wet dry
    dirty muddy sandy grassy snowy snow-covered rocky wooden brick stone metal
    plastic leather denim striped plaid floral colorful multicolored multi-colored
    patterned furry fluffy shaggy hairy happy sad beautiful pretty cute busy crowded
    empty quiet paved wooded open own same different full half closed outdoor indoor
    public shallow deep clear icy frozen high low steep flat lone single first
    second third last next stuffed inflatable wild professional formal traditional
    black-haired brown-haired red-haired curly sunny cloudy rainy hot cold rough
    heavy fat thin skinny nice new medium medium-sized sized haired colored brightly
    very big small little large tiny huge long short tall giant adult male female"""
)

DETERMINERS = word_set(
    """a an the his her its their this that these those another each both any"""
)

PREPOSITIONS = word_set(
    """in on at with by near over through into onto off from down up across along
    around behind under beside between against toward towards above below inside
    outside past beneath among to for of during after before about upon atop
    in_front_of next_to on_top_of out_of close_to away_from inside_of outside_of
    alongside underneath"""
)

GROUPS = word_set(
    """group bunch crowd number team pack herd flock row line lot collection gang pile
    set variety"""
)
"""`a group of ...` says that there are many, not how many."""

PAIRS = frozenset(["pair", "couple", "duo"])
SOME = word_set("several many some few multiple various")
