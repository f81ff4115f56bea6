"""What is said of a model that ONNX cannot express."""

from __future__ import annotations

__all__ = ["OnnxExporterError", "OnnxExporterWarning", "UnsupportedOperatorError"]


class OnnxExporterWarning(UserWarning):
    """The file may not be what was meant."""


class OnnxExporterError(RuntimeError):
    """A model cannot be exported; no file was written."""


class UnsupportedOperatorError(OnnxExporterError):
    """A call has no counterpart in ONNX, or none with these arguments."""

    def __init__(self, name: str, version: int, why: str = "") -> None:
        super().__init__(
            f"Exporting the operator '{name}' to ONNX opset version {version} is not supported{': ' if why else ''}{why}"
        )
        self.name, self.why = name, why


class Unsupported(Exception):
    """Raised by an entry of the table, in words: arguments that have no counterpart."""
