"""The data tree for HeadVis: its contract key by key, its numbers worked out by hand."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from interp.base.errors import InterpError, UserError
from interp.figures.attention.head_vis import write_head_vis
from interp.results.attention import AttentionView, Variant, ViewedHead

CONFIG = {
    *("model_name", "dataset_name", "heads", "n_layers", "n_heads", "n_intervals", "metrics", "metric_descriptions"),
    *("head_data_pattern", "has_umap", "umap_heads", "custom_plots", "custom_tables", "statistics_display"),
    "pipeline_config",
}
HEAD = {"sequences", "qk_distance_histogram", "top_query_tokens", "top_key_tokens", "histogram", "statistics"}
SEQUENCE = {
    *("sequence_id", "interval", "tokens", "attention_indices", "attention_values", "seq_len", "max_activation"),
}
GENERIC = [
    *("self_attention_score", "prev_token_score", "pattern_entropy", "qk_distance", "qk_distance_variance"),
    "induction_score",
]
OURS = ["ngram_score", "ngram_chance", "ngram_n", "ngram_q", "ablation_effect"]


def tiny(pattern: list[list[float]], labels: str = "aba", signed: bool = False) -> AttentionView:
    """One head that was not scored, on a string of a few letters."""
    weights = np.array([pattern], dtype=np.float32)
    variant = Variant("clean", 0, (), "", signed, weights, np.full(len(labels), np.nan), tuple(labels))
    tokens = np.array([ord(letter) for letter in labels])
    nowhere = np.full(len(labels), -1)
    head = ViewedHead("L1H2", "attention")
    return AttentionView({}, {}, tokens, tuple(labels), None, nowhere, (head,), (variant,), ())


def read(folder: Path, name: str):
    return json.loads((folder / name).read_text(encoding="utf-8"))


@pytest.fixture
def view(studies) -> AttentionView:
    return studies.hard_alibi().attention


def test_the_tree_has_every_file_and_key_of_the_contract_and_no_other(view, tmp_path):
    folder = write_head_vis(view, tmp_path / "headvis")
    heads = {f"heads/{head.name}.json" for head in view.heads}
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {"config.json", "scatter_data.json", "server_config.json", "attributions/manifest.json", *heads}
    config, rows = read(folder, "config.json"), read(folder, "scatter_data.json")
    assert set(config) == CONFIG
    assert config["metrics"] == GENERIC + OURS == list(config["metric_descriptions"])
    assert config["heads"] == [[1, 4], [1, 5], [1, 6], [1, 7], [0, 0], [0, 1], [0, 2], [0, 3]]
    assert (config["n_layers"], config["n_heads"], config["n_intervals"]) == (2, 8, 1)
    assert config["model_name"] == "hard-alibi" and config["has_umap"] is False
    assert config["pipeline_config"]["provenance"] == view.provenance
    assert read(folder, "server_config.json") == {} == read(folder, "attributions/manifest.json")
    assert [[row["layer"], row["head"]] for row in rows] == config["heads"]
    assert all(set(row) == {"layer", "head", *GENERIC, *OURS} for row in rows)
    for layer, head in config["heads"]:
        content = read(folder, f"heads/{config['head_data_pattern'].format(layer=layer, head=head)}")
        assert set(content) == HEAD and set(content["histogram"]) == {"bin_edges", "bin_values"}
        assert [set(sequence) for sequence in content["sequences"]] == [SEQUENCE]
        assert content["sequences"][0]["tokens"] == list(view.labels)
        assert content["statistics"]["n_samples"] == 1
        for key in [item["key"] for item in config["custom_plots"] + config["custom_tables"]]:
            assert content[key]


def test_the_strongest_weights_stand_at_query_times_length_plus_key_rounded_to_four_places(view, tmp_path):
    folder, size = write_head_vis(view, tmp_path), len(view.labels)
    for head, pattern in zip(view.heads, view.variants[0].pattern, strict=True):
        sequence = read(folder, f"heads/{head.name}.json")["sequences"][0]
        expected = {}
        for query in range(size):
            row = sorted(enumerate(pattern[query].tolist()), key=lambda item: -item[1])[:8]
            expected |= {query * size + key: round(weight, 4) for key, weight in row if weight >= 0.005}
        assert dict(zip(sequence["attention_indices"], sequence["attention_values"], strict=True)) == expected
        assert sequence["seq_len"] == size and sequence["max_activation"] == round(float(pattern[1:, 1:].max()), 4)
        assert sequence["attention_indices"] == sorted(sequence["attention_indices"])


def test_what_was_found_on_other_strings_stands_beside_and_is_null_where_there_is_none(view, tmp_path):
    rows = read(write_head_vis(view, tmp_path), "scatter_data.json")
    lookup, gather = rows[0], rows[4]
    found, cost = view.heads[0].found, view.heads[0].cost
    assert found and cost
    assert [lookup[name] for name in OURS[:4]] == [found.score, found.chance, found.n, found.q_value]
    assert lookup["ablation_effect"] == pytest.approx(0.995 - 0.953)
    assert gather["ngram_n"] is None and gather["ablation_effect"] is None and gather["ngram_score"] is not None


def test_the_numbers_of_a_tiny_pattern_are_those_worked_out_by_hand(tmp_path):
    pattern = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.25, 0.5, 0.25]]
    folder = write_head_vis(tiny(pattern), tmp_path)
    (row,) = read(folder, "scatter_data.json")
    assert row["self_attention_score"] == pytest.approx((1 + 1 / 2 + 1 / 4) / 3)
    assert row["prev_token_score"] == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert row["pattern_entropy"] == pytest.approx((0 + np.log(2) + 1.5 * np.log(2)) / 3)
    # Distances: 0; 1 and 0 by halves; 2, 1, 0 by a quarter, a half, a quarter.
    assert row["qk_distance"] == pytest.approx((0 + 1 / 2 + 1) / 3)
    assert row["qk_distance_variance"] == pytest.approx((0 + 1 / 4 + 1 / 2) / 3)
    assert row["induction_score"] == pytest.approx(1 / 2)  # the second a looks at the b behind the first
    assert set(row) == {"layer", "head", *GENERIC}  # nothing was scored: no column of nulls
    content = read(folder, "heads/L1H2.json")
    assert content["qk_distance_histogram"]["bin_edges"] == [0, 1, 2, 3]
    assert content["qk_distance_histogram"]["bin_values"] == [0.5833, 0.3333, 0.0833]  # 7/12, 4/12, 1/12
    assert content["top_key_tokens"] == [
        {"token": "a", "weight": 0.6667, "count": 2},  # (1.75 + 0.25) / 3
        {"token": "b", "weight": 0.3333, "count": 1},
    ]
    assert content["top_query_tokens"] == [
        {"token": "a", "weight": 0.75, "count": 2},  # 1 and 1/2
        {"token": "b", "weight": 0.5, "count": 1},
    ]
    assert content["histogram"]["bin_values"][10] == 1 == sum(content["histogram"]["bin_values"])  # 1/2, off position 0
    assert content["statistics"] == {"n_samples": 1, "mean_max_activation": 0.5}
    assert content["sequences"][0]["interval"] == 1 == read(folder, "config.json")["n_intervals"]


def test_weights_of_under_a_hundredth_count_nothing_towards_induction(tmp_path):
    pattern = [[1, 0, 0, 0], [1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.991, 0, 0.009, 0]]
    (row,) = read(write_head_vis(tiny(pattern, "abab"), tmp_path), "scatter_data.json")
    assert row["induction_score"] == pytest.approx((0.5 + 0) / 2)


def test_where_no_token_occurs_twice_induction_has_no_score(tmp_path):
    folder = write_head_vis(tiny([[1, 0, 0], [0, 1, 0], [0, 0, 1]], "abc"), tmp_path)
    assert "induction_score" not in read(folder, "config.json")["metrics"]


def test_of_hidden_attention_the_shares_are_written(view, tmp_path):
    clean = view.variants[0]
    signed = replace(clean, name="clean, signed sums", signed=True, pattern=-clean.pattern)
    both = replace(view, variants=(signed, replace(clean, name="clean, shares", of=1)))
    expected = read(write_head_vis(view, tmp_path / "one"), "heads/L1H4.json")
    assert read(write_head_vis(both, tmp_path / "both"), "heads/L1H4.json") == expected


def test_a_view_that_is_signed_alone_is_refused_in_one_sentence_and_leaves_nothing(tmp_path):
    with pytest.raises(UserError, match=r"weights from 0 to 1 .*; got only signed variants, 'clean'"):
        write_head_vis(tiny([[-1, 0, 0], [0, 1, 0], [0, 0, 1]], signed=True), tmp_path / "headvis")
    assert not (tmp_path / "headvis").exists()


def test_a_head_without_layer_and_number_is_refused(tmp_path):
    view = tiny([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    with pytest.raises(UserError, match=r"names such as L1H3 .*; got '../../evil'"):
        write_head_vis(replace(view, heads=(ViewedHead("../../evil", "attention"),)), tmp_path)


def test_a_tree_that_cannot_be_written_leaves_no_file(view, tmp_path):
    (tmp_path / "attributions").write_text("in the way of the folder")
    with pytest.raises(InterpError, match="must be writable"):
        write_head_vis(view, tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["attributions"]


def test_tokens_of_any_text_come_back_as_they_were(studies, tmp_path):
    view = studies.hard_alibi().attention
    labels = (studies.HOSTILE, "\u2028", '"', *view.labels[3:])
    folder = write_head_vis(replace(view, labels=labels), tmp_path)
    assert read(folder, "heads/L1H4.json")["sequences"][0]["tokens"] == list(labels)


def sharp(weight: float, n_pos: int = 4) -> list[list[float]]:
    """A pattern that gives so much to the position before and the rest to the first one."""
    pattern = np.zeros((n_pos, n_pos))
    pattern[0, 0] = pattern[1, 0] = 1
    for query in range(2, n_pos):
        pattern[query, query - 1], pattern[query, 0] = weight, 1 - weight
    return pattern.tolist()


def test_of_many_strings_each_head_has_its_deciles_and_its_numbers_are_means_over_all(tmp_path):
    """Thirty strings, the sharpest in the middle; two of each tenth are kept."""
    weights = [0.1 + 0.025 * ((i * 7) % 30) for i in range(30)]
    views = (tiny(sharp(weight, 4 + i % 2), "abab" + "c" * (i % 2)) for i, weight in enumerate(weights))
    folder = write_head_vis(views, tmp_path, per_interval=2)
    config, content = read(folder, "config.json"), read(folder, "heads/L1H2.json")
    assert config["n_intervals"] == 10 and config["dataset_name"] == "30 strings"
    kept = content["sequences"]
    assert len(kept) == 20 and len({one["sequence_id"] for one in kept}) == 20
    rank = {place: at for at, place in enumerate(sorted(range(30), key=lambda i: weights[i]))}
    for one in kept:
        assert one["max_activation"] == round(weights[one["sequence_id"]], 4)
        assert one["interval"] == 1 + rank[one["sequence_id"]] // 3
        assert one["seq_len"] == 4 + one["sequence_id"] % 2 == len(one["tokens"])
    assert [one["interval"] for one in kept] == [tenth for tenth in range(1, 11) for _ in range(2)]
    assert content["statistics"] == {"n_samples": 30, "mean_max_activation": round(np.mean(weights), 4)}
    assert sum(content["histogram"]["bin_values"]) == 30
    (row,) = read(folder, "scatter_data.json")
    each = [(1 + weight * (2 + i % 2)) / (3 + i % 2) for i, weight in enumerate(weights)]
    assert row["prev_token_score"] == pytest.approx(np.mean(each))
    queries = sum(4 + i % 2 for i in range(30))
    at_one = sum(1 + weight * (2 + i % 2) for i, weight in enumerate(weights))
    assert content["qk_distance_histogram"]["bin_values"][1] == round(at_one / queries, 4)
    (label_a,) = [item for item in content["top_key_tokens"] if item["token"] == "a"]
    assert label_a["count"] == 60


def test_of_fewer_strings_than_deciles_each_is_one(tmp_path):
    folder = write_head_vis([tiny(sharp(weight), "abab") for weight in (0.5, 0.2, 0.9)], tmp_path)
    assert read(folder, "config.json")["n_intervals"] == 3
    kept = read(folder, "heads/L1H2.json")["sequences"]
    assert [(one["sequence_id"], one["interval"]) for one in kept] == [(1, 1), (0, 2), (2, 3)]


def test_no_view_and_views_of_other_heads_are_refused(tmp_path):
    with pytest.raises(UserError, match="views must hold at least one view; got none"):
        write_head_vis([], tmp_path / "none")
    other = replace(tiny(sharp(0.5), "abab"), heads=(ViewedHead("L0H0", "attention"),))
    with pytest.raises(UserError, match="views must be of the same heads"):
        write_head_vis([tiny(sharp(0.5), "abab"), other], tmp_path / "two")
    assert not list(tmp_path.iterdir())
