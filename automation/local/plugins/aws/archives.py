"""Assets and archives as the bytes of a zip, the same bytes for the same content."""

import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from automation.local.plugins.framework.errors import ProviderError
from automation.local.plugins.framework.values import Archive, Asset

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can hold."""


def zip_bytes(source: Archive | Asset) -> bytes:
    """A zip of `source`; an archive that is a zip file already is taken as it is.

    Raises:
        ProviderError: there is no such file or folder, or it is of a kind that is not understood.
    """
    if isinstance(source, Asset):
        return asset_bytes(source)
    if source.path and zipfile.is_zipfile(source.path):
        return Path(source.path).read_bytes()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content, mode in sorted(_members(source, "")):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            bundle.writestr(entry, content)
    return buffer.getvalue()


def asset_bytes(asset: Asset) -> bytes:
    """The content of one asset.

    Raises:
        ProviderError: the file is not there, or the asset is a URI.
    """
    if asset.uri:
        raise ProviderError(f"assets from a URI are not supported: {asset.uri}; download it and use a FileAsset")
    if not asset.path:
        return asset.text.encode()
    path = Path(asset.path)
    if not path.is_file():
        raise ProviderError(f"there is no file {path} (looked for it from {Path.cwd()})")
    return path.read_bytes()


def _members(source: Archive | Asset, name: str) -> Iterator[tuple[str, bytes, int]]:
    if isinstance(source, Asset):
        yield name, asset_bytes(source), 0o644
        return
    if source.uri:
        raise ProviderError(f"archives from a URI are not supported: {source.uri}; download it and use a FileArchive")
    prefix = f"{name}/" if name else ""
    for member, content in source.assets.items():
        yield from _members(content, prefix + member)
    if source.path:
        yield from _from_path(Path(source.path), prefix)


def _from_path(path: Path, prefix: str) -> Iterator[tuple[str, bytes, int]]:
    if path.is_dir():
        for file in sorted(item for item in path.rglob("*") if item.is_file()):
            mode = 0o755 if file.stat().st_mode & 0o100 else 0o644
            yield prefix + file.relative_to(path).as_posix(), file.read_bytes(), mode
    elif not path.exists():
        raise ProviderError(f"there is no file or folder {path} (looked for it from {Path.cwd()})")
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as bundle:
            for entry in bundle.infolist():
                if not entry.is_dir():
                    yield prefix + entry.filename, bundle.read(entry), (entry.external_attr >> 16) or 0o644
    elif tarfile.is_tarfile(path):
        with tarfile.open(path) as bundle:
            for item in bundle.getmembers():
                content = bundle.extractfile(item) if item.isfile() else None
                if content is not None:
                    yield prefix + item.name, content.read(), item.mode
    else:
        raise ProviderError(f"{path} is no folder, zip or tar file")
