"""The node's own certificate authority, for the tablets of one node and nothing else.

A tablet needs https before its browser lets a page work offline or ask for the place.  No public
authority signs for a box in a village, so the node makes its own, whose certificate says that it
may vouch only for local names and private addresses (RFC 5280, 4.2.1.10): who installs it on a
tablet does not hand over the rest of the web.

Both certificates hold from 1970 to 2080: a tablet whose battery was empty, or a box without a clock
chip, is never locked out by its clock.  A short life would protect against a stolen key of the
leaf, but whoever has that has the authority's as well, in the same folder.  Safari's limit of 825
days is for certificates that begin after July 2019.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge_app.access.nearness import PRIVATE
from edge_app.appliance.network import ADDRESS_4, ADDRESS_6, NAME, own_name
from field_data.errors import KeeperError
from field_data.files import make_folder, write_atomic
from field_data.ids import short_code

_LOOPBACK = "127.0.0.1"
# The box's Wi-Fi may come up after the server: its addresses are always in.
_ALWAYS = (_LOOPBACK, "::1", str(ADDRESS_4.ip), str(ADDRESS_6.ip))
_BEGIN = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_END = dt.datetime(2080, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where the certificates are, in a folder of the home that only the node can read."""

    folder: Path

    @property
    def ca(self) -> Path:
        """What tablets install."""
        return self.folder / "ca.crt"

    @property
    def ca_key(self) -> Path:
        """Never leaves the node."""
        return self.folder / "ca.key"

    @property
    def leaf(self) -> Path:
        """Key and certificate that the server shows, in one file so that they fit each other."""
        return self.folder / "node.pem"


def make_ready(folder: Path, node: str, addresses: Iterable[str]) -> TlsFiles:
    """Make what is missing, renew what names other addresses; returns the files.

    Works without the internet and whatever the clock says.

    Raises:
        KeeperError: ``tls_damaged`` when a file is there but unreadable, ``disk_full``.
    """
    files, wanted = TlsFiles(folder), _wanted(addresses)
    make_folder(folder)
    folder.chmod(0o700)
    ca, key = _authority(files, node)
    if not _fits(files.leaf, ca, wanted):
        write_atomic(files.leaf, _leaf(ca, key, wanted))
        files.leaf.chmod(0o600)
    return files


def ends_at(path: Path) -> dt.datetime:
    """The last moment (UTC) of the certificate in ``path``.

    Raises:
        KeeperError: ``tls_damaged``.
    """
    return _certificate(path).not_valid_after_utc


def fingerprint(files: TlsFiles) -> str:
    """SHA-256 of the authority's certificate in hex pairs, as tablets show it."""
    digest = _certificate(files.ca).fingerprint(hashes.SHA256()).hex().upper()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def _wanted(addresses: Iterable[str]) -> frozenset[str]:
    found = {ipaddress.ip_address(address) for address in (*addresses, *_ALWAYS)}
    return frozenset(str(ip) for ip in found if any(ip in net for net in PRIVATE))


def _authority(files: TlsFiles, node: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    # The key first: a certificate without its key would be handed to tablets in vain.
    if not files.ca_key.exists():
        write_atomic(files.ca_key, _pem(ec.generate_private_key(ec.SECP256R1())))
        files.ca_key.chmod(0o600)
        files.ca.unlink(missing_ok=True)
    key = _key(files.ca_key)
    if not files.ca.exists():
        write_atomic(files.ca, _ca(key, node).public_bytes(serialization.Encoding.PEM))
    return _certificate(files.ca), key


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except ValueError as error:
        raise KeeperError("tls_damaged", f"{path} is no key: {error}", path=str(path)) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeeperError("tls_damaged", f"{path} is another kind of key", path=str(path))
    return key


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError as error:
        raise KeeperError("tls_damaged", f"{path} is no certificate", path=str(path)) from error


def _ca(key: ec.EllipticCurvePrivateKey, node: str) -> x509.Certificate:
    code = short_code(node)
    name = _name(f"Ghalla node {code}")
    networks = [x509.IPAddress(net) for net in PRIVATE]
    names = [x509.DNSName(each) for each in (NAME, own_name(code), "localhost")]
    limits = x509.NameConstraints(permitted_subtrees=[*names, *networks], excluded_subtrees=None)
    builder = _builder(name, name, key.public_key(), _BEGIN, _END)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(limits, critical=True)
    builder = builder.add_extension(_usage(signs=True), critical=True)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return builder.add_extension(identifier, critical=False).sign(key, hashes.SHA256())


def _names(ca: x509.Certificate) -> list[str]:
    """The names that the authority may vouch for; one made by an earlier version knew fewer."""
    limits = ca.extensions.get_extension_for_class(x509.NameConstraints).value
    return [
        each.value for each in limits.permitted_subtrees or () if isinstance(each, x509.DNSName)
    ]


def _leaf(
    ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey, wanted: frozenset[str]
) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    span = ca.not_valid_before_utc, ca.not_valid_after_utc
    builder = _builder(_name(NAME), ca.subject, key.public_key(), *span)
    ips = [x509.IPAddress(ipaddress.ip_address(address)) for address in sorted(wanted)]
    names = x509.SubjectAlternativeName([*map(x509.DNSName, _names(ca)), *ips])
    server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    builder = builder.add_extension(names, critical=False).add_extension(server, critical=False)
    builder = builder.add_extension(
        x509.BasicConstraints(ca=False, path_length=None), critical=True
    )
    builder = builder.add_extension(_usage(signs=False), critical=True)
    leaf = builder.add_extension(issuer, critical=False).sign(ca_key, hashes.SHA256())
    return _pem(key) + leaf.public_bytes(serialization.Encoding.PEM)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    begin: dt.datetime,
    end: dt.datetime,
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(begin).not_valid_after(end)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _fits(path: Path, ca: x509.Certificate, wanted: frozenset[str]) -> bool:
    """Whether the leaf is this authority's, for these addresses, and lasts as long as it."""
    if not path.exists():
        return False
    leaf = _certificate(path)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    named = {str(ip) for ip in names.get_values_for_type(x509.IPAddress)}
    lasts = (leaf.not_valid_before_utc, leaf.not_valid_after_utc) == (
        ca.not_valid_before_utc,
        ca.not_valid_after_utc,
    )
    return leaf.issuer == ca.subject and wanted <= named and lasts


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
