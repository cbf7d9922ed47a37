from .definitions import Workflow, WorkflowVersion
from .runs import WorkflowExecution, WorkflowStep

__all__ = ["Workflow", "WorkflowExecution", "WorkflowStep", "WorkflowVersion"]
