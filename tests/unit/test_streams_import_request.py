"""Import requests and results survive JSON; contents are attached by digest."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagstream.errors import InvalidInput
from tagstream.streams.image_stream import ImportMode
from tagstream.streams.import_request import (
    FetchedImage,
    ImageImportResult,
    ImageImportSpec,
    ImportRequest,
    ImportResult,
    ImportStatus,
    RepositoryImportResult,
    RepositoryImportSpec,
    digests_named_by,
)

_OK = ImportStatus(ok=True)
_texts = st.text(max_size=8)
_modes = st.sampled_from(ImportMode)


def _fetched(digest: str, reference: str) -> FetchedImage:
    return FetchedImage(digest, {"dockerImageReference": reference}, b"manifest", b"config")


_requests = st.builds(
    ImportRequest,
    namespace=_texts,
    stream=_texts,
    images=st.lists(
        st.builds(
            ImageImportSpec,
            from_name=_texts,
            to_tag=st.none() | _texts,
            insecure=st.booleans(),
            import_mode=_modes,
            prefer_os=_texts,
            prefer_arch=_texts,
            include_manifest=st.booleans(),
        ),
        max_size=3,
    ).map(tuple),
    repository=st.none()
    | st.builds(
        RepositoryImportSpec,
        from_name=_texts,
        insecure=st.booleans(),
        import_mode=_modes,
        include_manifest=st.booleans(),
    ),
    max_tags=st.integers(-1, 1000),
    deadline_s=st.floats(0, 1000),
)


@given(_requests)
def test_request_is_the_same_after_json(request: ImportRequest) -> None:
    assert ImportRequest.from_json(json.loads(json.dumps(request.to_json()))) == request


def _result() -> ImportResult:
    failure = ImportStatus(
        ok=False, reason="NotFound", code=404, message="m", details={"causes": [{"message": "x"}]}
    )
    child = _fetched("sha256:c", "r/app@sha256:c")
    return ImportResult(
        images=(
            ImageImportResult("1", _OK, _fetched("sha256:a", "r/app@sha256:a"), (child,)),
            ImageImportResult("nope", failure),
        ),
        repository=RepositoryImportResult(
            ImportStatus(ok=False, reason="ImportFailed", message="one failed"),
            (ImageImportResult("2", _OK, _fetched("sha256:b", "r/app@sha256:b")),),
            ("3", "4"),
        ),
    )


def test_result_is_the_same_after_json_with_contents_attached() -> None:
    result = _result()
    data = json.loads(json.dumps(result.to_json()))
    assert ImportResult.from_json(data, result.fetched_images()) == result


def test_json_of_a_result_names_digests_and_no_contents() -> None:
    result = _result()
    text = json.dumps(result.to_json())
    assert "manifest" not in text.replace("manifests", "")
    assert digests_named_by(json.loads(text)) == {"sha256:a", "sha256:b", "sha256:c"}
    assert set(result.fetched_images()) == {"sha256:a", "sha256:b", "sha256:c"}


def test_image_found_in_two_repositories_keeps_both_references() -> None:
    result = ImportResult(
        (
            ImageImportResult("1", _OK, _fetched("sha256:a", "r/one@sha256:a")),
            ImageImportResult("1", _OK, _fetched("sha256:a", "r/two@sha256:a")),
        )
    )
    assert len(result.fetched_images()) == 1
    assert ImportResult.from_json(result.to_json(), result.fetched_images()) == result


def test_result_whose_content_is_gone_is_refused() -> None:
    with pytest.raises(InvalidInput, match="import result"):
        ImportResult.from_json(_result().to_json(), {})


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"namespace": "n"},
        {"namespace": "n", "stream": "s", "images": [{}]},
        {"namespace": "n", "stream": "s", "images": "x"},
        {"namespace": "n", "stream": "s", "images": [{"from": "x", "importMode": "Foo"}]},
    ],
)
def test_request_of_another_shape_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match="import request"):
        ImportRequest.from_json(data)


def test_statuses_look_like_the_api_prints_them() -> None:
    assert _OK.to_v1() == {"metadata": {}, "status": "Success"}
    failure = ImportStatus(ok=False, reason="ImportFailed", message="m")
    assert failure.to_v1() == {
        "metadata": {},
        "status": "Failure",
        "message": "m",
        "reason": "ImportFailed",
    }


def test_contents_are_not_in_the_repr() -> None:
    assert "config" not in repr(_result()).replace("raw_config", "")
