"""Write the parts of the documentation that are declared elsewhere: columns, tags, commands."""

import re
from pathlib import Path

from click.testing import CliRunner

from ensembl_annotations.cli import main
from ensembl_annotations.project.params import Params
from ensembl_annotations.variants import outcomes, schema

ROOT = Path(__file__).parents[1]


def column_table(columns: tuple[schema.Column, ...]) -> str:
    """Return a Markdown table of columns."""
    rows = [
        f"| `{item.name}` | {item.dtype} | {item.unit or ''} | "
        f"{'yes' if item.nullable else 'no'} | {item.description.replace('|', chr(92) + '|')} | {item.source} |"
        for item in columns
    ]
    head = ["| column | type | unit | null | what it says | from |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *rows])


def tag_table() -> str:
    """Return a Markdown table of the INFO tags."""
    rows = [
        f"| `{tag.id}` | {tag.number} | {tag.type} | {tag.description.replace('|', chr(92) + '|')} |"
        for tag in outcomes.TAGS
    ]
    return "\n".join(["| tag | Number | Type | Description |", "|---|---|---|---|", *rows])


def group_table() -> str:
    """Return a Markdown table of the groups of tags."""
    rows = []
    for group in outcomes.TAG_GROUPS:
        tags = ", ".join(f"`{tag.id}`" for tag in outcomes.TAGS if tag.group == group)
        rows.append(f"| `{group}` | {tags} |")
    return "\n".join(["| group | tags |", "|---|---|", *rows])


def reason_table() -> str:
    """Return a Markdown table of the reasons for no match."""
    rows = [f"| `{name}` | {text} |" for name, text in outcomes.REASONS.items()]
    return "\n".join(["| reason | meaning |", "|---|---|", *rows])


def parameter_table() -> str:
    """Return a Markdown table of the parameters."""
    rows = []
    for name, field in Params.model_fields.items():
        inner = getattr(field.annotation, "model_fields", None)
        for key, item in (inner or {"": field}).items():
            text = f"`{name}.{key}`" if key else f"`{name}`"
            left_out = (
                "" if item.is_required() else f"; if left out: `{item.default or chr(34) * 2}`"
            )
            rows.append(f"| {text} | {item.description}{left_out} |")
    return "\n".join(["| parameter | meaning |", "|---|---|", *rows])


def command_reference() -> str:
    """Return the help of every command."""

    def help_of(*command: str) -> str:
        done = CliRunner().invoke(
            main, [*command, "--help"], prog_name="ensembl-annotations", terminal_width=100
        )
        return f"```\n{done.stdout}```\n"

    parts = ["# Commands\n\nMade from `--help` by `scripts/make_docs.py`.\n", help_of()]
    for name, command in sorted(main.commands.items()):
        parts.append(f"## {name}\n\n{help_of(name)}")
        for part in sorted(getattr(command, "commands", ())):
            parts.append(f"## {name} {part}\n\n{help_of(name, part)}")
    return "\n".join(parts)


def documents() -> dict[Path, str]:
    """Return the documents as they should be."""
    tables = {
        "alleles": column_table(schema.ALLELES),
        "genes": column_table(schema.GENES),
        "result": column_table(
            schema.RESULT
            + schema.GENOTYPE
            + schema.GENOTYPES
            + tuple(schema.REQUESTED.values())
            + schema.ANNOTATION
        ),
        "consequence": column_table(schema.CONSEQUENCE),
        "read": column_table(schema.READ),
        "tags": tag_table(),
        "groups": group_table(),
        "reasons": reason_table(),
        "parameters": parameter_table(),
    }
    pages = {ROOT / "docs" / "cli.md": command_reference()}
    for page in sorted((ROOT / "docs").glob("*.md")):
        text = page.read_text("utf-8")
        names = re.findall(r"^<!-- (?!end )(\w+) -->$", text, flags=re.M)
        for name in names:
            table = tables.pop(name)
            text = re.sub(
                rf"(<!-- {name} -->\n).*?(<!-- end -->)",
                lambda found, t=table: f"{found[1]}{t}\n{found[2]}",
                text,
                flags=re.S,
            )
        if names:
            pages[page] = text
    assert not tables, f"no page has the tables {', '.join(tables)}"
    return pages


if __name__ == "__main__":
    for path, content in documents().items():
        path.write_text(content, "utf-8")
