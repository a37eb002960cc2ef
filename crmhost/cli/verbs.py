"""Which verbs there are. Only those that are whole stand here."""

from typing import NamedTuple


class Verb(NamedTuple):
    """A verb, the heading that it stands under, and its line in the help."""

    name: str
    heading: str
    summary: str

    @property
    def module(self) -> str:
        """Return the module that holds its `command`."""
        return f"crmhost.cli.{self.name}"


VERBS: tuple[Verb, ...] = (
    Verb("init", "Contracts", "Write a contract file (and the fleet around it)."),
    Verb("check", "Contracts", "Validate contract files: every error at once."),
    Verb("schema", "Contracts", "Print the JSON Schema of contract files."),
    Verb("recipes", "Contracts", "List and explain the CRMs that can be hosted."),
    Verb("secrets", "Contracts", "List, show, set and re-encrypt secrets."),
    Verb("plan", "Deploying", "Show what a deploy would change. Exit 0: nothing, 2: changes."),
    Verb("deploy", "Deploying", "Plan, confirm, converge, gate, switch."),
    Verb("bundle", "Deploying", "Pack all that a server without a network needs, in one signed file."),
    Verb("install", "Deploying", "Deploy on this server from such a file alone."),
    Verb("status", "Deploying", "Show what runs now."),
    Verb("logs", "Deploying", "Show the log of a CRM's process."),
    Verb("login", "Deploying", "Prove that the administrator can log in, and no default account."),
    Verb("exec", "Deploying", "Run a command in the CRM's environment."),
    Verb("rollback", "Deploying", "Let an earlier release serve again."),
    Verb("backup", "Deploying", "Back up a customer's data, list and thin out what there is."),
    Verb("restore", "Deploying", "Put a backup back, or prove one in a copy of its own."),
    Verb("destroy", "Deploying", "Remove a customer's CRM from its host."),
    Verb("host", "Deploying", "Bring up, show and remove the ingress of a Docker host."),
    Verb("serve", "Measuring", "Probe, export metrics, settle, deliver and back up."),
    Verb("maintenance", "Measuring", "Announce, cancel and list maintenance windows."),
    Verb("exclude", "Measuring", "Enter downtime that the customer caused, with evidence."),
    Verb("evidence", "Measuring", "Print what was measured, as JSON Lines."),
    Verb("sla", "Paying back", "Recompute a period from files, offline."),
    Verb("settle", "Paying back", "Settle periods that have ended."),
    Verb("credits", "Paying back", "List, show, deliver and reverse credits."),
    Verb("statement", "Paying back", "Write a period's signed statement with its evidence."),
    Verb("verify", "Paying back", "Check a statement: signature, evidence, arithmetic."),
    Verb("demo", "This machine", "See the whole story for real, in a few minutes."),
    Verb("doctor", "This machine", "Say what is missing here or on a contract's host, and what mends it."),
)
