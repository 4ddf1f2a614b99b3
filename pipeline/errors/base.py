"""`PipelineError`: the root of the tree of the pipeline's errors."""

from __future__ import annotations

__all__ = ["PipelineError"]


class PipelineError(Exception):
    """Something in the pipeline failed."""

    code: str = "internal"
    hint: str = "Look at the logs in the data folder."
    transient: bool = False

    def __init__(self, message: str = "", hint: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").splitlines()[0], hint)
        if hint:
            self.hint = hint

    @property
    def message(self) -> str:
        """One plain sentence."""
        return str(self.args[0])

    @property
    def advice(self) -> str:
        """The same as `hint`, for programs that were written for version 0."""
        return self.hint

    def __str__(self) -> str:
        return self.message
