"""What a failed fetch is called in the status of an import.

Owns the texts, reasons and codes of spec/image-api-and-import.md §6.2. Pure: it is given errors and
the reference as the user should read it.
"""

from __future__ import annotations

from collections.abc import Sequence

from tagstream.registry.errors import (
    MANIFEST_UNKNOWN,
    NAME_UNKNOWN,
    UNAUTHORIZED,
    RegistryError,
)
from tagstream.streams.import_request import ImageImportResult, ImportStatus

SUCCESS = ImportStatus(ok=True)
_WRONG_LOGIN = "incorrect username or password"


def not_found(reference: str) -> ImportStatus:
    """The registry does not know the image."""
    return ImportStatus(
        ok=False,
        reason="NotFound",
        code=404,
        message=f'dockerimage.image.openshift.io "{reference}" not found',
        details={"name": reference, "group": "image.openshift.io", "kind": "dockerimage"},
    )


def blocked(registry: str) -> ImportStatus:
    """The cluster's configuration forbids the registry."""
    return ImportStatus(
        ok=False,
        reason="Forbidden",
        code=403,
        message=f"forbidden: registry {registry} blocked",
        details={},
    )


def internal_error(cause: str) -> ImportStatus:
    """Everything that has no name of its own; `cause` starts with the reference."""
    return ImportStatus(
        ok=False,
        reason="InternalError",
        code=500,
        message=f"Internal error occurred: {cause}",
        details={"causes": [{"message": cause}]},
    )


def unknown_error(tag: str, repository: str, import_mode: str) -> ImportStatus:
    """A bug: there is neither an image nor an error to show."""
    return internal_error(
        f'unknown error while importing tag "{tag}" from repository "{repository}" '
        f'with import mode "{import_mode}", please try again.'
    )


def status_of_image_error(reference: str, error: Exception) -> ImportStatus:
    """The status of an image that one pull source did not give."""
    if isinstance(error, RegistryError):
        if error.error_code == MANIFEST_UNKNOWN:
            return not_found(reference)
        if _is_unauthorized(error):
            return _unauthorized(reference, error)
    return internal_error(f"{reference}: {error}")


def status_of_repository_error(reference: str, error: Exception) -> ImportStatus:
    """The status of a repository whose tags could not be listed."""
    if isinstance(error, RegistryError):
        if error.error_code in (NAME_UNKNOWN, MANIFEST_UNKNOWN):
            return not_found(reference)
        if _is_unauthorized(error):
            return _unauthorized(reference, error)
    return internal_error(f"{reference}: {error}")


def combine_failures(failures: Sequence[ImportStatus]) -> ImportStatus:
    """The status when every pull source failed; a single failure keeps its own reason."""
    if len(failures) == 1:
        return failures[0]
    texts = [failure.message.removeprefix("Internal error occurred: ") for failure in failures]
    return internal_error(f"[{', '.join(texts)}]")


def status_of_repository(images: Sequence[ImageImportResult]) -> ImportStatus:
    """The status of a repository whose tags were listed and tried."""
    failed = sum(not image.status.ok for image in images)
    if not failed:
        return SUCCESS
    how_many = "one" if failed == 1 else str(failed)
    message = f"{how_many} of the images from this repository failed to import"
    return ImportStatus(ok=False, reason="ImportFailed", message=message)


def needs_anonymous_retry(status: ImportStatus) -> bool:
    """Whether the login was refused as such: a public image may be had without (§6.3 step 7)."""
    return status.reason == "Unauthorized" and "username or password" in status.message


def _is_unauthorized(error: RegistryError) -> bool:
    return error.status == 401 or error.error_code == UNAUTHORIZED


def _unauthorized(reference: str, error: RegistryError) -> ImportStatus:
    if str(error).endswith(_WRONG_LOGIN):
        message = f'{_WRONG_LOGIN} for image "{reference}"'
    else:
        message = f'you may not have access to the container image "{reference}"'
    return ImportStatus(ok=False, reason="Unauthorized", code=401, message=message)
