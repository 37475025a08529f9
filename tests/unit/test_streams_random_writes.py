"""What holds after any sequence of writes."""

from __future__ import annotations

from hypothesis import event as observe
from hypothesis import given
from hypothesis import strategies as st

from fakes.stream_strategies import Write, writes
from fakes.streams import at, image_stream
from tagstream.streams.delta import apply, diff
from tagstream.streams.followers import followers_by_tag
from tagstream.streams.image_stream import ImageStream, TagHistory
from tagstream.streams.imports import needs_import

sequences = st.lists(writes, min_size=1, max_size=25)


def run(sequence: list[Write]) -> list[tuple[Write, ImageStream, ImageStream]]:
    """Each write with the stream before and after it."""
    steps = []
    stream = image_stream()
    for second, write in enumerate(sequence):
        after = write.apply(stream, at(second))
        observe(write.label.split()[0])
        steps.append((write, stream, after))
        stream = after
    return steps


@given(sequences)
def test_generations_only_grow_and_nothing_is_ahead_of_the_stream(sequence: list[Write]) -> None:
    for _, before, after in run(sequence):
        assert before.generation <= after.generation <= before.generation + 1
        spec_moved = (before.spec_tags, before.lookup_local) != (
            after.spec_tags,
            after.lookup_local,
        )
        assert (after.generation > before.generation) is spec_moved
        for ref in after.spec_tags.values():
            assert ref.generation is not None
            assert 1 <= ref.generation <= after.generation
        for one in after.status_tags.values():
            assert not one.is_blank
            assert one.observed_generation <= after.generation
            assert len(one.conditions) <= 1


@given(sequences)
def test_a_tag_whose_reference_is_new_is_observed_at_once_or_needs_an_import(
    sequence: list[Write],
) -> None:
    for _, before, after in run(sequence):
        for tag, ref in after.spec_tags.items():
            old = before.spec_tags.get(tag)
            if old is not None and old.generation == ref.generation:
                continue
            observed = after.history(tag).observed_generation == ref.generation
            without_image = not ref.is_importable and after.head(tag) is None
            follows = tag in {f for some in followers_by_tag(after).values() for f in some}
            assert observed or without_image or follows or needs_import(after, tag)


@given(sequences)
def test_histories_only_grow_unless_the_tag_is_deleted(sequence: list[Write]) -> None:
    for write, before, after in run(sequence):
        for tag, old in before.status_tags.items():
            if write.label == "delete" and tag == write.tag:
                continue
            assert_grown(old, after.history(tag))


def assert_grown(old: TagHistory, new: TagHistory) -> None:
    """The same items below the head, and at most one more above it."""
    grown = len(new.items) - len(old.items)
    assert grown in (0, 1)
    assert new.items[1 + grown :] == old.items[1:]
    if grown and old.items:
        assert new.items[1] == old.items[0]
    elif old.items:
        assert new.items[0].created == old.items[0].created


@given(sequences)
def test_followers_are_where_their_source_moved_to(sequence: list[Write]) -> None:
    for write, before, after in run(sequence):
        for source, followers in followers_by_tag(after).items():
            head = after.head(source)
            if head is None:
                continue
            for tag in followers:
                is_new = before.spec_tags.get(tag) != after.spec_tags[tag]
                if before.head(source) == head and not is_new:
                    continue
                if write.pushes and write.tag == tag:
                    continue
                follower = after.head(tag)
                assert follower is not None
                assert follower.image == head.image
                assert follower.docker_image_reference == head.docker_image_reference


@given(sequences)
def test_the_same_write_of_a_part_and_of_the_whole_agree(sequence: list[Write]) -> None:
    for second, (write, before, after) in enumerate(run(sequence)):
        part_before, part_after = write.apply_partly(before, at(second))
        assert apply(before, diff(part_before, part_after)) == after


@given(sequences)
def test_the_journal_folds_to_the_last_value_and_unfolds_to_the_first(
    sequence: list[Write],
) -> None:
    steps = run(sequence)
    deltas = [diff(before, after) for _, before, after in steps]
    folded = image_stream()
    for delta in deltas:
        folded = apply(folded, delta)
    assert folded == steps[-1][2]
    for delta in reversed(deltas):
        folded = apply(folded, delta.inverted())
    assert folded == image_stream()


@given(sequences)
def test_a_write_repeated_at_once_changes_no_image(sequence: list[Write]) -> None:
    """What is asked twice may count twice, but the history does not grow."""
    for write, _, after in run(sequence):
        again = write.apply(after, at(999))
        if again.spec_tags.get(write.tag) is None or write.label.startswith("put"):
            continue
        assert len(again.history(write.tag).items) == len(after.history(write.tag).items)
