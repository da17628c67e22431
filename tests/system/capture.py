"""What a host sends: every frame that leaves an interface."""

import socket
import struct
import threading

PACKET_OUTGOING = 4
ETH_P_ALL = 0x0003
ETH_P_ARP, ETH_P_IP, ETH_P_IPV6 = 0x0806, 0x0800, 0x86DD
ICMPV6 = 58
# Router and neighbour discovery, and reports of multicast membership: the link's own business.
LINK_BUSINESS = {130, 131, 132, 133, 134, 135, 136, 143}


def is_link_business(protocol, frame):
    """ARP and IPv6 neighbour discovery, which a silent host needs too."""
    if protocol == ETH_P_ARP:
        return True
    if protocol != ETH_P_IPV6:
        return False
    next_header, payload = frame[20], frame[54:]
    if next_header == 0 and len(payload) > 8:  # hop-by-hop options before the report
        next_header, payload = payload[0], payload[(payload[1] + 1) * 8:]
    return next_header == ICMPV6 and len(payload) > 0 and payload[0] in LINK_BUSINESS


class Outgoing:
    """Use with `with`; `frames` holds what left the interface in the meantime."""

    def __init__(self, space, device="wire"):
        self.socket = space.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.bind((device, ETH_P_ALL))
        self.socket.settimeout(0.1)
        self.frames = []
        self.running = True
        self.thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.running = False
        self.thread.join()
        self.socket.close()

    def _listen(self):
        while self.running:
            try:
                frame, (_, protocol, kind, *_) = self.socket.recvfrom(65535)
            except TimeoutError:
                continue
            if kind == PACKET_OUTGOING and not is_link_business(protocol, frame):
                self.frames.append(frame)


def ip_protocol(frame):
    """The protocol number of an Ethernet frame's IP packet, or None."""
    kind = struct.unpack(">H", frame[12:14])[0]
    if kind == ETH_P_IP:
        return frame[23]
    return frame[20] if kind == ETH_P_IPV6 else None
