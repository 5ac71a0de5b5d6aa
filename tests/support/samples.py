"""One usual flow as each exporter writes it, with made-up addresses, for tests that hold for every format.

A :class:`Sample` knows under which name its exporter writes what a test wants to spoil: ``start``, ``end`` or
``duration``, ``src_addr``, ``dst_addr``, ``src_port``, ``dst_port``, ``packets``, ``bytes``, ``id``. What an exporter
does not write is not among its ``roles``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tests.support import zeek

START: Final = 1_700_000_000.0  # s since 1970, of every sample that has a time
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Token(str):
    """A value that goes into JSON as it stands."""

    __slots__ = ()


@dataclass(frozen=True)
class Sample:
    """A usual flow of one exporter. A name with slashes leads into nested objects."""

    name: str
    format: str
    record: Mapping[str, Any]
    roles: Mapping[str, str]
    separator: str = ""  # of the columns; JSON has none
    header: tuple[bytes, ...] = ()
    time: Callable[[float], Any] = float
    array: bool = field(default=False)  # in files, the records are the elements of one array

    @property
    def is_json(self) -> bool:
        return not self.separator

    def line(self, **changes: Any) -> bytes:
        """The flow as one record, with other values for some roles."""
        record = {**self.record, **{self.roles[role]: value for role, value in changes.items()}}
        if self.separator:
            return self.separator.join(map(str, record.values())).encode()
        nested: dict[str, Any] = {}
        for name, value in record.items():
            *path, last = name.split("/")
            place = nested
            for step in path:
                place = place.setdefault(step, {})
            place[last] = value
        return _json(nested).encode()

    def file(self, records: Sequence[bytes]) -> bytes:
        """A file of records."""
        if self.array:
            return b"[\n" + b",\n".join(records) + b"]\n"
        return b"".join(line + b"\n" for line in (*self.header, *records))


def _json(value: object) -> str:
    if isinstance(value, Token):
        return value
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {_json(inner)}" for key, inner in value.items()) + "}"
    return json.dumps(value)


def _written(form: str) -> Callable[[float], str]:
    return lambda seconds: (_EPOCH + timedelta(seconds=seconds)).strftime(form)


def _by_column(names: str, values: str) -> dict[str, str]:
    """Columns by their names; where a name stands twice, as CICFlowMeter's does, the second is given a mark."""
    record: dict[str, str] = {}
    for name, value in zip(names.split(","), values.split(","), strict=True):
        record[f"{name}#2" if name in record else name] = value
    return record


# fmt: off
_ZEEK_ROLES: Final = {"start": "ts", "duration": "duration", "src_addr": "id.orig_h", "dst_addr": "id.resp_h",
                      "src_port": "id.orig_p", "dst_port": "id.resp_p", "packets": "orig_pkts",
                      "bytes": "orig_ip_bytes", "id": "uid"}
_ZEEK_TSV: Final = {**zeek.ROW, "ts": f"{START:.6f}", "id.orig_h": "10.0.0.5", "id.resp_h": "198.51.100.7"}
_ZEEK_JSON: Final = {**json.loads(zeek.as_json()), "ts": START, "id.orig_h": "10.0.0.5", "id.resp_h": "198.51.100.7"}

_SURICATA: Final = {
    "timestamp": "2023-11-14T22:15:00.123456+0000", "flow_id": 445348883402532, "in_iface": "eth0",
    "event_type": "flow", "src_ip": "10.0.0.5", "src_port": 48938, "dest_ip": "198.51.100.7", "dest_port": 445,
    "proto": "TCP", "app_proto": "smb", "flow/pkts_toserver": 4, "flow/pkts_toclient": 3, "flow/bytes_toserver": 320,
    "flow/bytes_toclient": 220, "flow/start": "2023-11-14T22:13:20.000000+0000",
    "flow/end": "2023-11-14T22:13:21.500000+0000", "flow/age": 1, "flow/state": "closed", "flow/reason": "timeout",
    "flow/alerted": False, "tcp/tcp_flags": "1b", "tcp/tcp_flags_ts": "1b", "tcp/tcp_flags_tc": "1b", "tcp/syn": True,
    "tcp/fin": True, "tcp/psh": True, "tcp/ack": True, "tcp/state": "closed", "host": "sensor-1",
}
_SURICATA_ROLES: Final = {"start": "flow/start", "end": "flow/end", "src_addr": "src_ip", "dst_addr": "dest_ip",
                          "src_port": "src_port", "dst_port": "dest_port", "packets": "flow/pkts_toserver",
                          "bytes": "flow/bytes_toserver", "id": "flow_id"}

_PMACCT: Final = {
    "event_type": "purge", "peer_ip_src": "127.0.0.1", "ip_src": "10.0.0.5", "ip_dst": "198.51.100.7",
    "port_src": 36679, "port_dst": 902, "tcp_flags": "26", "ip_proto": "tcp", "tos": 0,
    "timestamp_start": "2023-11-14 22:13:20.000000", "timestamp_end": "2023-11-14 22:13:21.500000",
    "packets": 2, "bytes": 92,
}
_PMACCT_ROLES: Final = {"start": "timestamp_start", "end": "timestamp_end", "src_addr": "ip_src", "dst_addr": "ip_dst",
                        "src_port": "port_src", "dst_port": "port_dst", "packets": "packets", "bytes": "bytes"}
_NFDUMP: Final = {
    "type": "FLOW", "sampled": 0, "export_sysid": 1, "first": "2023-11-14T22:13:20.000",
    "last": "2023-11-14T22:13:21.500", "received": "1970-01-01T00:00:00.000", "in_packets": 2, "in_bytes": 120,
    "proto": 6, "tcp_flags": "...AP.S.", "src_port": 52324, "dst_port": 902, "src_tos": 0, "src4_addr": "10.0.0.5",
    "dst4_addr": "198.51.100.7", "input_snmp": 0, "output_snmp": 0, "src_mask": 0, "dst_mask": 0, "src_net": "",
    "dst_net": "", "fwd_status": 0, "direction": 0, "dst_tos": 0, "src_as": 64512, "dst_as": 64513,
    "ip4_next_hop": "10.0.0.2", "ip4_router": "10.0.0.1", "label": "<none>",
}
_NFDUMP_ROLES: Final = {"start": "first", "end": "last", "src_addr": "src4_addr", "dst_addr": "dst4_addr",
                        "src_port": "src_port", "dst_port": "dst_port", "packets": "in_packets", "bytes": "in_bytes"}
_SIX: Final = {"src4_addr": "src6_addr", "dst4_addr": "dst6_addr"}
_NFDUMP_6: Final = {_SIX.get(name, name): value for name, value in _NFDUMP.items()}
_NFDUMP_6.update(src6_addr="fd00::5", dst6_addr="2001:db8::7")

_ARGUS: Final = _by_column(
    "StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,sTos,dTos,TotPkts,TotBytes,SrcBytes,SrcPkts,Label",
    "2023/11/14 22:13:20.000000,63.822830,tcp,10.0.0.5,56101,   ->,198.51.100.7,999,SRPA_SPA,0,0,31,8764,1887,15,",
)
_ARGUS_ROLES: Final = {"start": "StartTime", "duration": "Dur", "src_addr": "SrcAddr", "dst_addr": "DstAddr",
                       "src_port": "Sport", "dst_port": "Dport", "packets": "TotPkts", "bytes": "TotBytes"}

_CIC_JAVA: Final = _by_column(
    " Destination Port, Flow Duration, Total Fwd Packets, Total Backward Packets,Total Length of Fwd Packets,"
    " Total Length of Bwd Packets, Fwd Packet Length Max, Fwd Packet Length Min, Fwd Packet Length Mean,"
    " Fwd Packet Length Std,Bwd Packet Length Max, Bwd Packet Length Min, Bwd Packet Length Mean,"
    " Bwd Packet Length Std,Flow Bytes/s, Flow Packets/s, Flow IAT Mean, Flow IAT Std, Flow IAT Max, Flow IAT Min,"
    "Fwd IAT Total, Fwd IAT Mean, Fwd IAT Std, Fwd IAT Max, Fwd IAT Min,Bwd IAT Total, Bwd IAT Mean, Bwd IAT Std,"
    " Bwd IAT Max, Bwd IAT Min,Fwd PSH Flags, Bwd PSH Flags, Fwd URG Flags, Bwd URG Flags, Fwd Header Length,"
    " Bwd Header Length,Fwd Packets/s, Bwd Packets/s, Min Packet Length, Max Packet Length, Packet Length Mean,"
    " Packet Length Std, Packet Length Variance,FIN Flag Count, SYN Flag Count, RST Flag Count, PSH Flag Count,"
    " ACK Flag Count, URG Flag Count, CWE Flag Count, ECE Flag Count, Down/Up Ratio, Average Packet Size,"
    " Avg Fwd Segment Size, Avg Bwd Segment Size, Fwd Header Length,Fwd Avg Bytes/Bulk, Fwd Avg Packets/Bulk,"
    " Fwd Avg Bulk Rate, Bwd Avg Bytes/Bulk, Bwd Avg Packets/Bulk,Bwd Avg Bulk Rate,Subflow Fwd Packets,"
    " Subflow Fwd Bytes, Subflow Bwd Packets, Subflow Bwd Bytes,Init_Win_bytes_forward, Init_Win_bytes_backward,"
    " act_data_pkt_fwd, min_seg_size_forward,Active Mean, Active Std, Active Max, Active Min,Idle Mean, Idle Std,"
    " Idle Max, Idle Min, Label",
    "46236,34,1,1,6,6,6,6,6,0,6,6,6,0,352941.1765,Infinity,34,0,34,34,0,0,0,0,0,0,0,0,0,0,0,0,0,0,20,20,29411.76471,"
    "29411.76471,6,6,6,0,0,0,0,0,0,1,1,0,0,1,9,6,6,20,0,0,0,0,0,0,1,6,1,6,31,329,0,20,0,0,0,0,0,0,0,0,BENIGN",
)
_CIC_JAVA_ROLES: Final = {"duration": " Flow Duration", "dst_port": " Destination Port",
                          "packets": " Total Fwd Packets", "bytes": "Total Length of Fwd Packets"}
_CIC_PYTHON: Final = _by_column(
    "src_ip,dst_ip,src_port,dst_port,protocol,timestamp,flow_duration,flow_byts_s,flow_pkts_s,fwd_pkts_s,bwd_pkts_s,"
    "tot_fwd_pkts,tot_bwd_pkts,totlen_fwd_pkts,totlen_bwd_pkts,fwd_pkt_len_max,fwd_pkt_len_min,fwd_pkt_len_mean,"
    "fwd_pkt_len_std,bwd_pkt_len_max,bwd_pkt_len_min,bwd_pkt_len_mean,bwd_pkt_len_std,pkt_len_max,pkt_len_min,"
    "pkt_len_mean,pkt_len_std,pkt_len_var,fwd_header_len,bwd_header_len,fwd_seg_size_min,fwd_act_data_pkts,"
    "flow_iat_mean,flow_iat_max,flow_iat_min,flow_iat_std,fwd_iat_tot,fwd_iat_max,fwd_iat_min,fwd_iat_mean,"
    "fwd_iat_std,bwd_iat_tot,bwd_iat_max,bwd_iat_min,bwd_iat_mean,bwd_iat_std,fwd_psh_flags,bwd_psh_flags,"
    "fwd_urg_flags,bwd_urg_flags,fin_flag_cnt,syn_flag_cnt,rst_flag_cnt,psh_flag_cnt,ack_flag_cnt,urg_flag_cnt,"
    "ece_flag_cnt,down_up_ratio,pkt_size_avg,init_fwd_win_byts,init_bwd_win_byts,active_max,active_min,active_mean,"
    "active_std,idle_max,idle_min,idle_mean,idle_std,fwd_byts_b_avg,fwd_pkts_b_avg,bwd_byts_b_avg,bwd_pkts_b_avg,"
    "fwd_blk_rate_avg,bwd_blk_rate_avg,fwd_seg_size_avg,bwd_seg_size_avg,cwr_flag_count,subflow_fwd_pkts,"
    "subflow_bwd_pkts,subflow_fwd_byts,subflow_bwd_byts",
    "10.0.0.5,198.51.100.7,36679,902,6,2023-11-14 22:13:20,0.000179,1329608.93,22346.36,16759.77,5586.59,3,1,180,58,"
    "60,60,60.0,0.0,58,58,58.0,0.0,60,58,59.5,0.8660254037844386,0.75,60,20,20,3,5.966666666666667e-05,0.000116,0.0,"
    "4.741542177627678e-05,0.000179,0.000179,0.0,8.95e-05,8.95e-05,0,0,0,0,0,0,0,0,0,0,3,1,0,1,0,0,0.3333333333333333,"
    "59.5,1024,64240,0,0,0,0,0,0,0,0,0,0,0,0,0,0,60.0,58.0,0,3,1,180,58",
)
_CIC_PYTHON_ROLES: Final = {"start": "timestamp", "duration": "flow_duration", "src_addr": "src_ip",
                            "dst_addr": "dst_ip", "src_port": "src_port", "dst_port": "dst_port",
                            "packets": "tot_fwd_pkts", "bytes": "totlen_fwd_pkts"}

_CANONICAL: Final = {
    "start": START, "duration": 1.5, "src_addr": "10.0.0.5", "dst_addr": "198.51.100.7", "src_port": 40000,
    "dst_port": 443, "protocol": 6, "src_packets": 8, "dst_packets": 6, "src_bytes": 900, "dst_bytes": 4000,
    "src_flags": 27, "dst_flags": 27, "state": "closed", "service": "tls", "flow_id": "c-1",
}
_CANONICAL_ROLES: Final = {"start": "start", "duration": "duration", "src_addr": "src_addr", "dst_addr": "dst_addr",
                           "src_port": "src_port", "dst_port": "dst_port", "packets": "src_packets",
                           "bytes": "src_bytes", "id": "flow_id"}


def _header(names: Mapping[str, Any], separator: str = ",") -> tuple[bytes, ...]:
    return (separator.join(name.removesuffix("#2") for name in names).encode(),)


_ARGUS_TIME: Final = _written("%Y/%m/%d %H:%M:%S.%f")
SAMPLES: Final = (
    Sample("zeek-tsv", "zeek", _ZEEK_TSV, _ZEEK_ROLES, "\t", tuple(zeek.header()), time="{:.6f}".format),
    Sample("zeek-json", "zeek", _ZEEK_JSON, _ZEEK_ROLES),
    Sample("suricata", "suricata", _SURICATA, _SURICATA_ROLES, time=_written("%Y-%m-%dT%H:%M:%S.%f+0000")),
    Sample("pmacct", "netflow", _PMACCT, _PMACCT_ROLES, time=_written("%Y-%m-%d %H:%M:%S.%f")),
    Sample("nfdump", "netflow", _NFDUMP, _NFDUMP_ROLES, time=_written("%Y-%m-%dT%H:%M:%S.000"), array=True),
    Sample("nfdump-6", "netflow", _NFDUMP_6, {role: _SIX.get(name, name) for role, name in _NFDUMP_ROLES.items()},
           time=_written("%Y-%m-%dT%H:%M:%S.000"), array=True),
    Sample("argus-commas", "argus", _ARGUS, _ARGUS_ROLES, ",", _header(_ARGUS), _ARGUS_TIME),
    Sample("argus-tabs", "argus", _ARGUS, _ARGUS_ROLES, "\t", _header(_ARGUS, "\t"), _ARGUS_TIME),
    Sample("cic-java", "cicflowmeter", _CIC_JAVA, _CIC_JAVA_ROLES, ",", _header(_CIC_JAVA)),
    Sample("cic-python", "cicflowmeter", _CIC_PYTHON, _CIC_PYTHON_ROLES, ",", _header(_CIC_PYTHON),
           _written("%Y-%m-%d %H:%M:%S")),
    Sample("canonical", "canonical", _CANONICAL, _CANONICAL_ROLES),
)
# Lines that name columns, but not those of a flow: in a file they are headers, among messages nothing.
STRAY_HEADERS: Final = (b"#fields\tts", b" Flow Duration,x", b"x,DstAddr", b"src_ip\tdst_ip")
HOSTILE: Final = (  # records of no format
    b"", b"\x00", b"{", b"[]", b"{}", b"null", b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe{\x00}\x00", b"9" * 5000,
    b"#path\tdns", b"ts,uid", b"{\tStartTime\tDur", b"{,src_ip,dst_ip", b"\xef\xbb\xbf", b"," * 200,
    b"\t" * 200 + b"x", b"x" * (2 << 20),
    b'{"ts":NaN}', b'{"ts":1e999}', b'{"src_addr":"\\ud800","dst_addr":"::1"}', b"\x1f\x8b\x08\x00",
)
# fmt: on
