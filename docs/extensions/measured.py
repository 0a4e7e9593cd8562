"""The directive `measured`: a section of a study's `method.md`, as the pages of the study show it.

```{measured} state: Bits used
```
"""

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from interp.figures.method import PACKAGE, sections


class Measured(SphinxDirective):
    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        study, _, name = (part.strip() for part in self.arguments[0].partition(":"))
        self.env.note_dependency(str(PACKAGE / "studies" / study / "method.md"))
        if name not in sections(study):
            raise self.error(f"{study} has no method called {name!r}; it has {list(sections(study))}.")
        box = nodes.container()
        self.state.nested_parse(StringList([sections(study)[name]]), self.content_offset, box)
        return box.children


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("measured", Measured)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
