"""A trained captioner at work: photos in, ranked sentences out."""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np

from captioner.config import CaptionerConfig
from captioner.describing.captions import Alternative, Caption, to_captions
from captioner.describing.concepts import NO_CONCEPTS, Concept, rank
from captioner.describing.judging import Judge
from captioner.describing.second_look import SecondLook
from captioner.net.runtime import Runtime
from captioner.search.config import DecodingConfig
from captioner.search.rules import Rules, make_rules
from shared.concepts.table import ConceptProbs
from shared.config import revise_config
from shared.errors import AppError
from shared.nets.traces import Trace, join
from shared.text.vocabulary import BOS, EOS, PAD, UNK, Vocabulary
from shared.vision.detector import DetectorError, Things
from shared.vision.images import ImageSource, read_image
from shared.vision.pipeline import look_ahead

BATCHES_AHEAD = 3
T = TypeVar("T")


class Looked(NamedTuple):
    """Photos that the model has looked at.

    Attributes:
        images: uint8 (N, H, W, 3), of the model's size.
        found: what the runtime made of them.
        find: of each photo, what finds the things on it, for a second look; empty if
            there is to be none.
    """

    images: np.ndarray
    found: Any
    find: Sequence[Callable[[], Things]] = ()


class Written(NamedTuple):
    """What was written about photos.

    Attributes:
        captions: of each photo, best first.
        looked: the photos, with what a second look told of them.
    """

    captions: list[list[Caption]]
    looked: Looked


class PhotoCaptioner:
    """A bundle, loaded and ready.

    Args:
        config: recipe of the model.
        vocabulary: its words.
        runtime: what runs it.
        batch_size: photos at a time.
        concepts: the words of its concept net, if it has one.
        own: those of them that a few examples taught.
        find: finds the things on a photo, for a second look where a caption is not
            sure, see `captioner.describing.second_look`; None for no second look.

    Methods that describe take `changes`: other values for the fields of
    `DecodingConfig`, such as `beam_size=5` or `prefix="a photo of"`, for this call
    alone.

    Raises:
        AppError: also by every method, if what is asked for cannot be.
    """

    def __init__(
        self,
        config: CaptionerConfig,
        vocabulary: Vocabulary,
        runtime: Runtime,
        batch_size: int = 8,
        concepts: Sequence[str] = (),
        own: Sequence[str] = (),
        find: Callable[[ImageSource], Things] | None = None,
    ):
        self.config = config
        self.vocabulary = vocabulary
        self.runtime = runtime
        self.batch_size = batch_size
        self.concept_words = tuple(concepts)
        self.judge = Judge(config, vocabulary, concepts, own)
        self.find = find
        self._second_look = SecondLook(concepts)
        self.request()  # a bundle's own rules may be impossible

    def request(self, **changes: Any) -> tuple[DecodingConfig, Rules]:
        """Check a request before any photo is read.

        Raises:
            AppError: if it is impossible; the message says why.
        """
        decoding = self.config.decoding
        if changes:
            decoding = revise_config(decoding, changes, "The request")
        rules = make_rules(decoding, self.vocabulary)
        return decoding, rules._replace(once_ids=self.judge.once(decoding))

    def describe(self, source: ImageSource, **changes: Any) -> Caption:
        """Describe one photo by the best caption; see `caption` for the others."""
        return self.caption(source, **changes)[0]

    def caption(self, source: ImageSource, **changes: Any) -> list[Caption]:
        """Describe one photo by several captions.

        Args:
            source: a photo, see `shared.vision.images.read_image`.

        Returns:
            beam-size captions or fewer, best first, never none.

        Raises:
            AppError: if it is not a photo that can be read.
        """
        request = self.request(**changes)
        looked = self.look(self.read(source)[None])._replace(
            find=self._finding([source])
        )
        return self.write(looked, *request).captions[0]

    def caption_all(
        self, sources: Iterable[Any], **changes: Any
    ) -> Iterator[list[tuple[Any, list[Caption] | AppError]]]:
        """Describe any number of photos, in order.

        Reading photos, looking at them and writing about them overlap, a few
        batches at a time.

        Args:
            sources: see `shared.vision.images.read_image`; taken as they are needed.

        Yields:
            batch after batch: each source with its captions, best first, or with
            the reason why it cannot be read.
        """
        request = self.request(**changes)
        return self.tell_all(
            sources, lambda looked: self.write(looked, *request).captions
        )

    def concepts(self, source: ImageSource, top: int | None = None) -> list[Concept]:
        """Say which words a photo shows, and where.

        Args:
            source: see `shared.vision.images.read_image`.
            top: concepts to give, at least 1; None is all.

        Returns:
            those that are most surely there first.

        Raises:
            AppError: if it is not a photo that can be read, or the model has no
                concepts.
            ValueError: if `top` is less than 1.
        """
        self.check_concepts()
        looked = self.look(self.read(source)[None])
        return self.see(looked, top, where=True)[0]

    def tell_all(
        self, sources: Iterable[Any], tell: Callable[[Looked], Sequence[T]]
    ) -> Iterator[list[tuple[Any, T | AppError]]]:
        """Tell something of any number of photos, in order.

        Args:
            sources: see `caption_all`.
            tell: such as `see`: given photos that were looked at, a result for each.

        Yields:
            batch after batch: each source with its result, or with the reason why it
            cannot be read.
        """
        batches = look_ahead(
            sources,
            self.read,
            lambda images: self.look(np.stack(images)),
            batch_size=self.batch_size,
            ahead=BATCHES_AHEAD,
        )
        for group, errors, looked in batches:
            if looked:
                good = [s for s, e in zip(group, errors, strict=True) if not e]
                looked = looked._replace(find=self._finding(good))
            results = iter(tell(looked) if looked else ())
            yield [
                (source, error or next(results))
                for source, error in zip(group, errors, strict=True)
            ]

    def read(self, source: ImageSource) -> np.ndarray:
        """Read a photo as the model sees it: uint8 (H, W, 3), RGB.

        Raises:
            AppError: if it is not a photo that can be read.
        """
        encoder = self.config.encoder
        return read_image(source, encoder.image_size, encoder.resize)

    def look(
        self, images: np.ndarray, features: list[np.ndarray] | None = None
    ) -> Looked:
        """Look at photos once, to write about them more than once.

        Args:
            images: uint8 (N, H, W, 3), of `read`; N at most the batch size.
            features: float32 (N, R, D) for each model, if they are known: what
                `runtime.encode` gives for these images.
        """
        found = self.runtime.look(features or self.runtime.encode(images))
        return Looked(images, found)

    def write(self, looked: Looked, decoding: DecodingConfig, rules: Rules) -> Written:
        """Describe photos that were looked at.

        Args:
            looked: of `look`.
            decoding, rules: of `request`.
        """
        images = looked.images
        noise = _draw(images, decoding.seed, rules) if rules.strategy.draws else None
        seen = self._seen(looked.found)
        found = self._search(looked.found, len(images), seen, decoding, rules, noise)
        captions = self.judge.judge(found, seen)
        if seen and self.runtime.can_be_told:
            things = self._find_where_unsure(captions, seen, looked.find, decoding)
            if things:
                looked = self._look_again(
                    looked, seen, captions, things, decoding, rules
                )
                seen = self._seen(looked.found)
        return Written(self.judge.hedge(captions, seen, decoding), looked)

    def _seen(self, found: Any) -> ConceptProbs | None:
        return self.runtime.seen(found) if self.concept_words else None

    def _search(
        self,
        found: Any,
        count: int,
        seen: ConceptProbs | None,
        decoding: DecodingConfig,
        rules: Rules,
        noise: np.ndarray | None = None,
    ) -> list[list[Caption]]:
        """Give captions of the first `count` photos of a batch, best first."""
        bias = self.judge.bias(seen, decoding, rules)
        sequences = self.runtime.search(found, rules, noise, bias)
        captions = to_captions(sequences, self.vocabulary, decoding.prefix)[:count]
        if not all(captions):
            raise AppError(
                "The model gives no sentence, as its numbers are not finite. Get its "
                "bundle again, or train it again."
            )
        return captions

    def _doubt(self, caption: Caption, decoding: DecodingConfig) -> bool:
        """Whether a caption is not sure enough to do without a second look."""
        return caption.right is not None and caption.right < decoding.second_look

    def _find_where_unsure(
        self,
        captions: Sequence[Sequence[Caption]],
        seen: ConceptProbs,
        finding: Sequence[Callable[[], Things]],
        decoding: DecodingConfig,
    ) -> dict[int, np.ndarray]:
        """Find the things on photos of which the best caption is not sure.

        Returns:
            by the photo's place: float32 (K,), see `Things.best`.
        """
        found = {}
        for i, find in enumerate(finding if decoding.free else ()):
            doubted = self._doubt(captions[i][0], decoding)
            if doubted and self._second_look.may_help(seen.there[i]):
                try:
                    found[i] = find().best()
                except DetectorError:
                    raise
                except AppError:  # the photo is gone since it was read
                    continue
        return found

    def _look_again(
        self,
        looked: Looked,
        seen: ConceptProbs,
        captions: list[list[Caption]],
        found: Mapping[int, np.ndarray],
        decoding: DecodingConfig,
        rules: Rules,
    ) -> Looked:
        """Judge captions by what was found, and write again where that is not enough.

        Args:
            seen: float (B, C), what the photos show.
            captions: of all photos; changed.
            found: of `_find_where_unsure`.

        Returns:
            the photos with what was found.
        """
        rows = list(found)
        seen = self._second_look.add(seen.of(rows), np.stack([*found.values()]))
        told = self.runtime.tell(looked.found, rows, seen)
        judged = self.judge.judge([captions[i] for i in rows], seen)
        for i, old in zip(rows, judged, strict=True):
            captions[i] = old
        left = [n for n, old in enumerate(judged) if self._doubt(old[0], decoding)]
        if left:
            rows, seen = [rows[n] for n in left], seen.of(left)
            taken = self.runtime.take(told, rows)
            again = self._search(taken, len(rows), seen, decoding, rules)
            for i, new in zip(rows, self.judge.judge(again, seen), strict=True):
                if new[0].confidence > captions[i][0].confidence:
                    captions[i] = new
        return looked._replace(found=told)

    def _finding(self, sources: Sequence[Any]) -> list[Callable[[], Things]]:
        return [partial(self.find, source) for source in sources] if self.find else []

    def see(
        self,
        looked: Looked,
        top: int | None = None,
        least: float = 0.0,
        where: bool = False,
    ) -> list[list[Concept]]:
        """Say which words photos show that were looked at.

        Args:
            looked: of `look`.
            top: concepts to give, at least 1; None is all.
            least: probability of those to give, 0 to 1.
            where: whether to say where they are, too.

        Returns:
            for each photo its concepts, those that are most surely there first; none
            of a model without them.

        Raises:
            ValueError: if `top` is less than 1.
        """
        images, found = looked.images, looked.found
        seen = self.runtime.seen(found)
        if seen is None:
            return [[] for _ in images]
        maps = self.runtime.where(found) if where else None
        if maps is not None:
            maps = maps.reshape(len(maps), *self.runtime.grid, -1)
        return [
            rank(
                self.concept_words,
                seen.of(i),
                None if maps is None else maps[i],
                top,
                least,
            )
            for i in range(len(images))
        ]

    def check_concepts(self) -> None:
        """Make sure that the model has concepts.

        Raises:
            AppError: if it has none.
        """
        if not self.concept_words:
            raise AppError(NO_CONCEPTS)

    def alternatives(
        self, source: ImageSource, words_so_far: str = "", count: int = 10
    ) -> list[Alternative]:
        """Give the words that may come next, likeliest first.

        To go on from one of them, `caption` with them as the `prefix`.

        Args:
            source: see `shared.vision.images.read_image`.
            words_so_far: the sentence up to there.
            count: words to give, at least 1.

        Raises:
            AppError: if it is not a photo that can be read.
            ValueError: if `count` is less than 1.
        """
        if count < 1:
            raise ValueError(f"`count` must be at least 1. Received: count={count}")
        looked = self.look(self.read(source)[None])
        return self.weigh(looked, self.vocabulary.split(words_so_far), count)[-1]

    def weigh(
        self, looked: Looked, words: Sequence[str], count: int = 10
    ) -> list[list[Alternative]]:
        """Give, at each place of a sentence, the words that could stand there.

        Args:
            looked: of `look`.
            words: the sentence, as `split_words` writes it.
            count: words to give at each place, at least 1.

        Returns:
            len(words) + 1 lists, the last for what may come after all of them; in
            each the likeliest after the words before that place, best first.
        """
        _, rules = self.request()
        tokens = self.vocabulary.to_ids(words)
        probs = np.exp(self.runtime.read(looked.found, tokens, rules)[0])
        probs[:, [PAD, UNK, BOS]] = -1.0
        best = np.argsort(-probs, axis=1, kind="stable")
        return [
            [
                Alternative("" if i == EOS else self.vocabulary.words[i], float(row[i]))
                for i in order[: min(count, len(row) - 3)].tolist()
            ]
            for row, order in zip(probs, best, strict=True)
        ]

    def trace(self, looked: Looked, words: Sequence[str]) -> Trace:
        """Tell what the cells do while a sentence is written about a photo.

        Args:
            looked: of `look`; the first photo counts.
            words: the sentence, as `split_words` writes it.

        Returns:
            of the mark of the beginning, which was given, and of each word.
        """
        tokens = [BOS, *self.vocabulary.to_ids(words)]
        steps = list(self.runtime.watch(looked.found, tokens))
        said = [s.log_probs[i] for s, i in zip(steps, tokens[1:], strict=False)]
        decoder = self.config.decoder
        return join(steps, [np.nan, *said], decoder.cell, decoder.layers)


def _draw(images: np.ndarray, seed: int, rules: Rules) -> np.ndarray:
    """Random numbers for sampling that depend on the photo, not on its place."""
    shape = (rules.beam_size, rules.max_words + 1)
    return np.stack(
        [
            np.random.default_rng([seed, zlib.crc32(image.tobytes())]).random(
                shape, np.float32
            )
            for image in images
        ]
    )
