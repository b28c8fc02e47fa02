"""**Pure**: the nftables rules of a filtered network."""

from dataclasses import dataclass

Address = tuple[str, int]
"""Host and port."""

METADATA = ("169.254.0.0/16", "100.100.100.200", "168.63.129.16", "192.0.0.192")
"""Where clouds tell machines their secrets: nearly all of them; Alibaba; Azure; Oracle's older one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """All addresses are IPv4; nothing else is let out."""

    table: str
    link: str
    """The machine's end of the veth pair."""
    job: str
    """The address that jobs have."""
    api: tuple[str, ...]
    api_port: int
    servers: tuple[str, ...]
    """Name servers."""
    refused: tuple[str, ...]

    def text(self) -> str:
        """For `nft -f`; replaces a table of that name."""
        allowed = "\n".join(
            [
                *(f"    ip daddr {address} tcp dport {self.api_port} accept" for address in self.api),
                *(f"    ip daddr {address} {kind} dport 53 accept" for address in self.servers for kind in _KINDS),
            ]
        )
        elements = f"elements = {{ {', '.join(self.refused)} }}" if self.refused else ""
        return _TEXT.format(
            table=self.table,
            link=self.link,
            job=self.job,
            allowed=allowed,
            metadata=", ".join(METADATA),
            elements=elements,
        )


_KINDS = ("udp", "tcp")
# Before other tables (-5), as none of them may let a refused packet pass; what is accepted here, they may still refuse.
_TEXT = """\
table inet {table}
delete table inet {table}
table inet {table} {{
  set metadata {{
    type ipv4_addr
    flags interval
    elements = {{ {metadata} }}
  }}
  set refused {{
    type ipv4_addr
    {elements}
  }}
  chain allowed {{
{allowed}
  }}
  chain to_machine {{
    type filter hook input priority filter - 5; policy accept;
    iifname != "{link}" accept
    ct state established,related accept
    ip saddr != {job} drop
    jump allowed
    reject with icmpx admin-prohibited
  }}
  chain through {{
    type filter hook forward priority filter - 5; policy accept;
    iifname "{link}" jump outward
    oifname "{link}" ct state established,related accept
    oifname "{link}" drop
  }}
  chain outward {{
    ct state established,related accept
    ip saddr != {job} drop
    meta nfproto != ipv4 drop
    jump allowed
    ip daddr @metadata reject with icmpx admin-prohibited
    ip daddr @refused reject with icmpx admin-prohibited
  }}
  chain masked {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {job} oifname != "{link}" masquerade
  }}
}}
"""
