"""What can go wrong between Home Assistant, AWS and Alexa about a skill."""


class AlexaSkillError(Exception):
    """Base of all errors of this package; the text never holds a secret."""


class AccessRefusedError(AlexaSkillError):
    """The keys are valid but lack a right.

    `action` is the IAM action to allow, such as `cloudformation:CreateStack`, or None
    where AWS does not say which.
    """

    def __init__(self, action: str | None) -> None:
        """Name the missing action where it is known."""
        super().__init__(action or "access refused")
        self.action = action


class KeysRefusedError(AlexaSkillError):
    """The access key is wrong or expired, or this machine's clock is."""


class CannotReachAwsError(AlexaSkillError):
    """AWS was not reached: network, DNS, TLS or a time-out."""


class StackFailedError(AlexaSkillError):
    """A stack was not made, changed or deleted.

    `reason` is what CloudFormation says of the resource that failed first, `action` the
    IAM action that was missing, if that was the reason.
    """

    def __init__(self, reason: str, *, action: str | None = None) -> None:
        """Keep the stack's own words."""
        super().__init__(reason)
        self.reason = reason
        self.action = action


class StackTimeoutError(AlexaSkillError):
    """CloudFormation has not come to an end in time; it goes on by itself."""


class TooManyOwnersError(AlexaSkillError):
    """No more owners fit into the list that the skill's backend reads."""


class AlexaServiceError(AlexaSkillError):
    """An AWS service said something that has no error of its own here."""

    def __init__(self, code: str, message: str = "") -> None:
        """Keep the service's code and text."""
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message
