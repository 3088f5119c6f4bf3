"""The section `dataset`: one of many kinds, or a mixture of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Lt
from pydantic import Discriminator, Field, Strict, Tag

from sspo_cli.config.sections.base import Count, Fraction, Positive, Text, Whole, section


@section
class AdditionData:
    kind: Literal["addition"]
    terms_min: Annotated[int, Strict(), Ge(2)]
    terms_max: Annotated[int, Strict(), Ge(2)]
    operand_min: Whole
    operand_max: Whole
    bare_fraction: Fraction


@section
class PromptSection:
    """What prompts are framed with; the defaults are as in earlier versions.

    prompt_template: Jinja, over all fields of a row. max_prompt_length: longer prompts, in tokens, are left out.
    """

    system_prompt: Text | None = None
    prompt_template: Text | None = None
    max_prompt_length: Count | None = None


@section
class RowsSection(PromptSection):
    """A user's own rows. id_field: read where rows have it. answer_field: null is the last message of the assistant, or
    no answer where there is none. The default of id_field is as in earlier versions."""

    eval_fraction: Annotated[float, Gt(0), Lt(1)]
    id_field: Text | None = None
    prompt_field: Text
    answer_field: Text | None
    solution_field: Text | None


@section
class FileData(RowsSection):
    kind: Literal["file"]
    path: Text
    eval_path: Text | None


@section
class HubData(RowsSection):
    kind: Literal["hub"]
    path: Text
    config: Text | None
    split: Text
    eval_split: Text | None
    revision: Text


HeldOut = Literal["gsm8k", "math", "math500", "aime24", "aime25", "amc23"]


@section
class PublishedSection(PromptSection):
    """A data set as it was published, on the hub or in files of its schema: data/published.py knows what is in it."""

    path: Text
    revision: Text
    config: Text | None = None


@section
class PublishedData(PublishedSection):
    """With problems to learn from. eval: the data set whose test problems are held out; None is its own."""

    kind: Literal["gsm8k", "math", "deepmath", "dapo_math_17k"]
    eval: HeldOut | None = None
    eval_path: Text | None = None


@section
class PublishedTest(PublishedSection):
    """With problems to evaluate on alone."""

    kind: Literal["math500", "aime24", "aime25", "amc23"]


def kind_of_tasks(value: Any) -> str:
    """A mapping holds weights."""
    return "weights" if isinstance(value, dict) else "name"


@section
class ReasoningGymData(PromptSection):
    """tasks: the name of one, or several with weights. params: of tasks, by name. size: problems to learn from, of each
    task, before equal ones are left out."""

    kind: Literal["reasoning_gym"]
    tasks: Annotated[
        Annotated[Text, Tag("name")] | Annotated[dict[Text, Positive], Tag("weights")], Discriminator(kind_of_tasks)
    ]
    params: dict[Text, dict[Text, Any]]
    size: Count

    @property
    def weights(self) -> dict[str, float]:
        return self.tasks if isinstance(self.tasks, dict) else {self.tasks: 1.0}


@section
class PartSection:
    """weight: how often a problem is of this part, beside the others."""

    weight: Positive


@section
class AdditionPart(PartSection, AdditionData):
    pass


@section
class FilePart(PartSection, FileData):
    pass


@section
class HubPart(PartSection, HubData):
    pass


@section
class PublishedPart(PartSection, PublishedData):
    pass


@section
class PublishedTestPart(PartSection, PublishedTest):
    pass


@section
class ReasoningGymPart(PartSection, ReasoningGymData):
    pass


PartConfig = Annotated[
    AdditionPart | FilePart | HubPart | PublishedPart | PublishedTestPart | ReasoningGymPart,
    Field(discriminator="kind"),
]


@section
class MixtureData:
    """Several datasets as one, by name. config/parts.py fills them in from what a user says of them."""

    kind: Literal["mixture"]
    parts: dict[Text, PartConfig]


SourceConfig = AdditionData | FileData | HubData | PublishedData | PublishedTest | ReasoningGymData
DatasetConfig = Annotated[SourceConfig | MixtureData, Field(discriminator="kind")]
