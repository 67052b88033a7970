"""Forms: one definition drives pages, checking, wire numbers and export columns."""

from field_data.forms.definition import Form, Question, Section, Type, said
from field_data.forms.library import Forms, load_forms, shipped_forms
from field_data.forms.loading import parse_form, read_form
from field_data.forms.problems import FormError, Problem

__all__ = [
    "Form",
    "FormError",
    "Forms",
    "Problem",
    "Question",
    "Section",
    "Type",
    "load_forms",
    "parse_form",
    "read_form",
    "said",
    "shipped_forms",
]
