import pytest
from django.core.exceptions import ValidationError

from apps.workflows.definition.check import check_definition
from tests.factories import WorkflowExecutionFactory, WorkflowFactory

URL = "/api/v1/workflows/"
NOTE = {"key": "note", "type": "activity.create", "with": {"type": "note", "subject": "New: {{ record.title }}"}}
SOUND = {"name": "Welcome", "trigger": {"type": "record.created", "resource": "deals"}, "actions": [NOTE]}


def test_a_workflow_is_stored_as_given_and_belongs_to_its_maker(client_for, member):
    answer = client_for(member).post(URL, SOUND)
    assert answer.status_code == 201, answer.json()
    assert answer.json()["trigger"] == SOUND["trigger"] and answer.json()["actions"] == SOUND["actions"]
    assert answer.json()["created_by"] == str(member.pk) and answer.json()["enabled"] is True


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("trigger", None), ("trigger", []), ("trigger", {}), ("trigger", {"type": 1}), ("trigger", {"type": " "}),
        ("actions", None), ("actions", {}), ("actions", []), ("actions", ["x"]), ("actions", [NOTE, {}]),
    ],
)  # fmt: skip
def test_a_definition_without_its_shape_is_refused(client_for, admin, field, value):
    answer = client_for(admin).post(URL, SOUND | {field: value})
    assert answer.status_code == 400
    assert field in answer.json()["errors"]
    with pytest.raises(ValidationError) as caught:
        check_definition(**{"trigger": SOUND["trigger"], "actions": SOUND["actions"], field: value})
    assert field in caught.value.message_dict


def test_executions_are_read_only(client_for, acme, admin):
    execution = WorkflowExecutionFactory(tenant=acme, workflow=WorkflowFactory(tenant=acme))
    client, url = client_for(admin), "/api/v1/workflow-executions/"
    assert client.get(f"{url}?workflow={execution.workflow_id}&status={execution.status}").json()["results"]
    assert client.patch(f"{url}{execution.pk}/", {}).status_code == 405
