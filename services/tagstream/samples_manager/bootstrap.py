"""The Config that is made when there is none. Pure.

Owns spec/samples-and-templates.md §4 as far as it can arise here: samples are installed where the
operator of the installation asked for them, because a machine without a network would only collect
failed imports.
"""

from __future__ import annotations

from tagstream.samples_manager.config import ARCHITECTURES, Config, State, inventory_of
from tagstream.samples_manager.objects import (
    BOOTSTRAPPED,
    CONFIG_NAME,
    FINALIZER,
    JsonObject,
    annotations_of,
    metadata_of,
)

API_VERSION = "samples.operator.openshift.io/v1"


def build_first_config(wished: State, machine: str) -> JsonObject:
    """The object to create; `machine` is the CPU as the system names it.

    An unsupported CPU makes it Removed, whatever was wished.
    """
    architecture = inventory_of([machine])
    state = wished if architecture in ARCHITECTURES else State.REMOVED
    return {
        "apiVersion": API_VERSION,
        "kind": "Config",
        "metadata": {
            "name": CONFIG_NAME,
            "finalizers": [FINALIZER],
            "annotations": {BOOTSTRAPPED: state.value},
        },
        "spec": {"managementState": state.value, "architectures": [architecture]},
    }


def needs_promotion(config: Config, wished: State) -> bool:
    """Whether samples are wished now, and the Config says Removed only because we once made it so.

    A Config that anybody else has touched is never overridden.
    """
    made_by_us = annotations_of(config.body).get(BOOTSTRAPPED) == State.REMOVED
    untouched = metadata_of(config.body).get("generation") == 1
    is_removed = config.spec.state is State.REMOVED and not config.is_deleted
    return wished is State.MANAGED and made_by_us and untouched and is_removed
