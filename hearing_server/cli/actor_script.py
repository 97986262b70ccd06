"""What the scripted people of the demonstration look like and say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hearing_server.domain.roles import Role
from media.replay.clip import Clip
from media.replay.makers import drawn_clip

TITLES: Mapping[Role, str] = {
    Role.PRESIDING_JUDGE: "审判长",
    Role.PANEL_JUDGE: "审判员",
    Role.CLERK: "书记员",
    Role.PARTY: "当事人",
    Role.COUNSEL: "诉讼代理人",
    Role.WITNESS: "证人",
    Role.OBSERVER: "旁听人员",
}

WALLS: Mapping[Role, str] = {
    Role.PRESIDING_JUDGE: "#8a4a4a",
    Role.PANEL_JUDGE: "#8a6a4a",
    Role.CLERK: "#5a6a8a",
    Role.PARTY: "#4a7a5a",
    Role.COUNSEL: "#4a7a8a",
    Role.WITNESS: "#7a5a8a",
    Role.OBSERVER: "#6a6a6a",
}

LINES: Mapping[Role, Sequence[str]] = {
    Role.PRESIDING_JUDGE: (
        "现在继续法庭调查,请原告陈述诉讼请求和事实理由。",
        "双方当事人对证据有无异议?请依次发表质证意见。",
    ),
    Role.PANEL_JUDGE: ("请说明货款是什么时间支付的,有没有付款凭证?", "合同第五条约定的交货期限是哪一天?"),
    Role.CLERK: ("请各方保持安静,发言前请说明身份。", "笔录已经记好,请继续。"),
    Role.PARTY: ("我方要求对方支付剩余货款,并赔偿逾期损失。", "货物有质量问题,我已经多次通知对方。"),
    Role.COUNSEL: ("审判长,我方提交送货单三份,证明货物已经交付。", "对方提交的照片没有拍摄时间,我方不认可其真实性。"),
    Role.WITNESS: ("那天上午我在仓库,亲眼看到货车卸货。", "一共卸了四十箱,签收单是我写的。"),
    Role.OBSERVER: (),
}

_PITCHES_HZ = (112.0, 205.0, 180.0, 98.0, 128.0, 220.0, 165.0, 104.0, 150.0)


@dataclass(frozen=True, slots=True)
class Part:
    """One seat's clips: `idle` loops while others speak."""

    idle: Clip
    lines: tuple[Clip, ...]


@dataclass(frozen=True, slots=True)
class Casting:
    """Makes the clips of one person. `number` tells people of one role apart."""

    role: Role
    name: str
    number: int
    folder: Path | None

    def idle(self) -> Clip:
        """Return the picture and the sound of a person who listens."""
        return self._clip(None)

    def lines(self) -> tuple[Clip, ...]:
        """Return what the person says, one clip a sentence."""
        return tuple(self._clip(line) for line in LINES[self.role])

    def _clip(self, speech: str | None) -> Clip:
        return drawn_clip(
            f"{TITLES[self.role]}\n{self.name}",
            WALLS[self.role],
            speech=speech,
            pitch_hz=_PITCHES_HZ[self.number % len(_PITCHES_HZ)],
            folder=self.folder,
        )
