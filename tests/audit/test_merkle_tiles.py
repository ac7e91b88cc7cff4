"""Tiles: their paths and widths as C2SP writes them, and proofs that read few of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from audit import merkle
from audit.merkle import ProofError
from audit.tiles import HEIGHT, WIDTH, Tile, TiledTree, content, tiles
from tests.audit.trees import hashes

LEAVES = hashes(1100)


@dataclass
class Stored:
    """A tree's tiles by path, and which of them were read."""

    size: int
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        node = merkle.nodes_of(LEAVES)
        self.files = {tile.path: content(tile, node) for tile in tiles(self.size)}

    def read(self, tile: Tile) -> bytes:
        self.asked.append(tile.path)
        return self.files[tile.path]


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 1234067), "tile/0/x001/x234/067"),
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 999, 1), "tile/0/999.p/1"),
        (Tile(63, 1000, 255), "tile/63/x001/000.p/255"),
    ],
)
def test_a_tiles_path_is_c2sps(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert Tile.at(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0/0",
        "tile/00/000",
        "tile/64/000",
        "tile/0/x000/001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/001/000",
        "/tile/0/000",
        "tile/0/../000",
        "tile/0/000\n",
        "tile/0/٠٠٠",
        "tile/-1/000",
        "tile/0/x1/000",
    ],
)
def test_no_other_path_is_a_tiles(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        Tile.at(path)


@given(st.integers(0, 6), st.integers(0, 10**12), st.integers(1, 256))
def test_paths_come_back(level: int, index: int, width: int) -> None:
    assert Tile.at(Tile(level, index, width).path) == Tile(level, index, width)


@given(st.text(alphabet="tile/0123456789x.p\n-", max_size=30))
@example("tile/0/000")
def test_a_path_that_is_read_is_written_the_same(path: str) -> None:
    try:
        assert Tile.at(path).path == path
    except ValueError:
        return


def test_a_tree_of_70_000_has_the_tiles_of_the_specifications_example() -> None:
    made = list(tiles(70_000))
    assert sum(tile.level == 0 and tile.width == WIDTH for tile in made) == 273
    assert [tile for tile in made if tile.width < WIDTH] == [Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert [tile for tile in made if tile.level and tile.width == WIDTH] == [Tile(1, 0)]
    assert list(tiles(256)) == [Tile(0, 0), Tile(1, 0, 1)]
    assert list(tiles(0)) == []


@given(st.integers(0, 10**6), st.integers(0, 3000))
@settings(max_examples=100, deadline=None)
def test_growth_names_just_the_tiles_that_are_new(old: int, more: int) -> None:
    assert set(tiles(old + more, old)) == set(tiles(old + more)) - set(tiles(old))


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 1000, 1100])
def test_proofs_from_tiles_are_those_from_leaves(size: int) -> None:
    stored, node = Stored(size), merkle.nodes_of(LEAVES)
    for at in {0, size // 3, size // 2, size - 1}:
        tree = TiledTree(size, stored.read)
        assert merkle.inclusion_proof(at, size, tree.node) == merkle.inclusion_proof(at, size, node)
        assert merkle.consistency_proof(at, size, tree.node) == merkle.consistency_proof(at, size, node)


def test_a_full_tile_stands_in_for_the_partial_one_that_it_was() -> None:
    later, node = Stored(1024), merkle.nodes_of(LEAVES)
    tree = TiledTree(900, lambda tile: later.files[Tile(tile.level, tile.index).path] if tile.level == 0 else b"".join(
        node(HEIGHT, each) for each in range(tile.width)
    ))  # fmt: skip
    assert merkle.inclusion_proof(7, 900, tree.node) == merkle.inclusion_proof(7, 900, node)


def test_proofs_at_a_million_million_entries_read_a_tile_or_two_a_level() -> None:
    size, asked = 10**12 + 70_001, []

    def read(tile: Tile) -> bytes:
        asked.append(tile)
        return bytes(32) * tile.width

    for at in (0, 123_456_789, size // 2, size - 1):
        asked.clear()
        merkle.inclusion_proof(at, size, TiledTree(size, read).node)
        assert len(asked) == len(set(asked)) <= 10
        asked.clear()
        merkle.consistency_proof(at, size, TiledTree(size, read).node)
        assert len(asked) == len(set(asked)) <= 10


@pytest.mark.parametrize("change", [lambda b: b[:-1], lambda b: b[:-32], lambda b: b + bytes(32), lambda b: b""])
def test_a_tile_of_a_wrong_length_is_refused(change: object) -> None:
    stored = Stored(300)
    assert callable(change)
    tree = TiledTree(300, lambda tile: change(stored.read(tile)))
    with pytest.raises(ValueError, match="bytes"):
        tree.node(0, 299)


def test_a_false_tile_gives_a_proof_that_does_not_hold() -> None:
    stored = Stored(1000)
    stored.files["tile/0/000"] = bytes(32) + stored.files["tile/0/000"][32:]
    proof = merkle.inclusion_proof(1, 1000, TiledTree(1000, stored.read).node)
    with pytest.raises(ProofError):
        merkle.verify_inclusion(1, 1000, LEAVES[1], proof, merkle.root(LEAVES[:1000]))


@pytest.mark.parametrize(("height", "index"), [(0, 300), (8, 1), (-1, 0), (0, -1)])
def test_there_is_no_node_beyond_the_tree(height: int, index: int) -> None:
    with pytest.raises(ValueError, match="no full subtree"):
        TiledTree(300, Stored(300).read).node(height, index)
