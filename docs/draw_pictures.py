"""Draw the pictures of the tutorial and the mathematics: `make pictures`, a minute, behind that of training.

Each is a figure of a study's page as it prints, on white and in few colours, so that pages show it without scripts.
"""

import sys
import tempfile
from pathlib import Path

from PIL import Image

import interp
from interp import figures
from interp.studies.circuit.run import circuit_study
from interp.studies.circuit.settings import CircuitSettings
from interp.studies.state.settings import SaturationSettings

FOLDER = Path(__file__).parent / "images"
WIDTH, COLOURS = 900, 160
PICTURES = {
    "trained": {"head_scores": "scores", "response": "response", "effective_n": "n", "ablations": "ablations"},
    "register": {"saturation": "bits"},
    "planted": {"circuit": "circuit", "hash_L1H4": "score"},
}
"""What was studied -> the names of its figures, and what they are called here behind that."""


def draw(studied: str, study: object) -> None:
    """Keep a study's pictures."""
    with tempfile.TemporaryDirectory() as folder:
        made = figures.save(study, folder, "png", width=150)
        for figure, name in PICTURES[studied].items():
            with Image.open(made[figure]) as image:
                page = Image.new("RGBA", image.size, "white")
                page.alpha_composite(image.convert("RGBA"))
            small = page.convert("RGB").resize((WIDTH, round(page.height * WIDTH / page.width)))
            path = FOLDER / f"{studied}-{name}.png"
            small.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
            sys.stdout.write(f"{path}\n")


def main() -> None:
    """Draw all of them."""
    draw("trained", interp.hash_head_study("hard-alibi"))
    draw("register", interp.saturation_study("planted:register?k=8", settings=SaturationSettings.tiny()))
    draw("planted", circuit_study("planted:ngram?n=3", settings=CircuitSettings.tiny()))


if __name__ == "__main__":
    main()
