"""The sample case of the demonstration. Every name is invented."""

from hearing_server.domain.roles import Role, Side
from hearing_server.services.scheduling import InvitedPerson, NewHearing
from hearing_server.signalling.notices import CaseView

PLAINTIFF, DEFENDANT = 3, 4  # places in the list below

SAMPLE_HEARING = NewHearing(
    case=CaseView(
        number="(2026)粤0192民初1024号",
        title="王建国诉李文博 · 买卖合同纠纷",
        court_name="临江区人民法院",
    ),
    people=(
        InvitedPerson(role=Role.PRESIDING_JUDGE, name="林静"),
        InvitedPerson(role=Role.PANEL_JUDGE, name="周岚"),
        InvitedPerson(role=Role.CLERK, name="何雨"),
        InvitedPerson(role=Role.PARTY, name="王建国", side=Side.PLAINTIFF),
        InvitedPerson(role=Role.PARTY, name="李文博", side=Side.DEFENDANT),
        InvitedPerson(role=Role.COUNSEL, name="赵敏", side=Side.PLAINTIFF, represents=PLAINTIFF),
        InvitedPerson(role=Role.WITNESS, name="陈秀兰"),
        InvitedPerson(role=Role.WITNESS, name="孙志强"),
        InvitedPerson(role=Role.OBSERVER, name="吴倩"),
    ),
)
