"""Models in the file format of ONNX. Read next: `export.py`."""

from __future__ import annotations

from . import errors
from .errors import OnnxExporterError, OnnxExporterWarning, UnsupportedOperatorError
from .export import ONNXProgram, export

__all__ = ["ONNXProgram", "OnnxExporterError", "OnnxExporterWarning", "UnsupportedOperatorError", "errors", "export"]
