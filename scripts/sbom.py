"""The software bill of materials of what ships, in CycloneDX, from the hash-pinned lock file."""

from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from scripts.lock import Pin

SERVER, SDK = "botkeys-server", "botkeys"
_CLASSIFIER = "License :: OSI Approved :: "
_SPDX = {"MIT License": "MIT", "ISC License (ISCL)": "ISC", "Apache Software License": "Apache-2.0"}


def installed(name: str) -> Distribution | None:
    """Return the metadata of a package; `None` if it is not for this machine."""
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def licence_of(package: Distribution) -> str | None:
    """Return the licence as the package names it: an SPDX expression where it has one."""
    metadata = package.metadata
    for name in ("License-Expression", "License"):
        for value in metadata.get_all(name) or ():
            if value and "\n" not in value.strip():
                return str(value).strip()
    names = [
        line.removeprefix(_CLASSIFIER)
        for line in metadata.get_all("Classifier") or ()
        if line.startswith(_CLASSIFIER)
    ]
    return " OR ".join(_SPDX.get(name, name) for name in names) or None


def bill_of_materials(pins: Iterable[Pin], version: str, at: datetime, *, swagger_ui: str) -> str:
    """Return the document. Equal arguments give an equal document, its serial number included.

    `swagger_ui` is the version of Swagger UI that the server's package contains.
    """
    pins = list(pins)
    bom = Bom(serial_number=uuid5(NAMESPACE_URL, f"urn:botkeys:sbom:{version}:{at.isoformat()}"))
    bom.metadata.timestamp = at.astimezone(UTC)
    server = _own(SERVER, version, ComponentType.APPLICATION)
    bom.metadata.component = server
    components = {SERVER: server, SDK: _own(SDK, version, ComponentType.LIBRARY)}
    components |= {pin.name: _component(pin) for pin in pins}
    page = _bundled("swagger-ui-dist", swagger_ui)
    bom.components.add(page)
    bom.components.update(component for name, component in components.items() if name != SERVER)
    needs: dict[str, set[str]] = {name: set() for name in components} | {SERVER: {SDK}}
    for pin in pins:
        for parent in pin.needed_by:
            needs[parent].add(pin.name)
    for name, needed in needs.items():
        others = [components[other] for other in needed]
        bom.register_dependency(components[name], [*others, page] if name == SERVER else others)
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _own(name: str, version: str, kind: ComponentType) -> Component:
    return Component(
        name=name,
        version=version,
        type=kind,
        bom_ref=f"pkg:pypi/{name}@{version}",
        purl=PackageURL("pypi", name=name, version=version),
        licenses=[LicenseFactory().make_from_string("Apache-2.0")],
    )


def _bundled(name: str, version: str) -> Component:
    purl = PackageURL("npm", name=name, version=version)
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        bom_ref=str(purl),
        purl=purl,
        licenses=[LicenseFactory().make_from_string("Apache-2.0")],
    )


def _component(pin: Pin) -> Component:
    purl = PackageURL("pypi", name=pin.name, version=pin.version)
    package = installed(pin.name)
    named = None if package is None else licence_of(package)
    return Component(
        name=pin.name,
        version=pin.version,
        type=ComponentType.LIBRARY,
        bom_ref=str(purl),
        purl=purl,
        licenses=[] if named is None else [LicenseFactory().make_from_string(named)],
        # Each hash is of one of the files that the lock file accepts for this version.
        external_references=[
            ExternalReference(
                type=ExternalReferenceType.DISTRIBUTION,
                url=XsUri(str(purl)),
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
            )
            for digest in pin.hashes
        ],
    )
