"""Label maps and masks in image and array formats."""

import io
import json
import zipfile

import numpy as np
import pytest
import supervision as sv
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from packaging.version import Version
from PIL import Image
from torchvision.datasets import VOCSegmentation

from sam2_widget import AnnotationError, ExistsError, ExportError, LossWarning, RepairWarning
from sam2_widget.export.cutout import cutout, read_cutout, write_cutout
from sam2_widget.export.label_map import from_label_map, read_png, write_png
from sam2_widget.export.npz import read_npz, write_npz
from sam2_widget.export.pngs import read_pngs, write_pngs
from sam2_widget.export.tiff import read_tiff, write_tiff
from sam2_widget.export.values import LabeledMask, LabeledMasks, crop_of
from sam2_widget.export.voc import read_voc, voc_colors, write_voc
from tests.export.strategies import assert_same, result_of, results


def written(write, result, **options):
    file = io.BytesIO()
    write(result, file, **options)
    file.seek(0)
    return file


LOSSLESS = [(write_npz, read_npz), (write_pngs, read_pngs)]
MAPS = [(write_png, read_png), (write_tiff, read_tiff)]


@pytest.mark.parametrize(("write", "read"), LOSSLESS)
@given(result=results())
def test_round_trip_with_overlaps(write, read, result):
    if result.objects or read is read_npz:
        assert_same(read(written(write, result)), result)


@pytest.mark.parametrize(("write", "read"), MAPS)
@given(result=results(overlap=False))
def test_round_trip_of_label_maps(write, read, result):
    assert_same(read(written(write, result)), result)


@given(result=results())
def test_round_trip_of_a_stack(result):
    if result.objects:
        assert_same(read_tiff(written(write_tiff, result, stack=True)), result)


@given(result=results(overlap=False, empty=False))
def test_round_trip_of_voc(tmp_path_factory, result):
    folder = tmp_path_factory.mktemp("voc")
    write_voc(result, folder, name="µ 1")
    read = read_voc(folder, name="µ 1")
    assert_same(read, result, labels=False)
    assert [o.label for o in read] == [o.label or "object" for o in result.objects]


OVER = np.zeros((4, 6), bool)
OVER[:, :3] = True
UNDER = np.zeros((4, 6), bool)
UNDER[1:3, 2:5] = True


@pytest.mark.parametrize("write", [write_png, write_tiff])
def test_overlaps_are_reported(write):
    with pytest.warns(LossWarning, match="2 pixels belong to several"):
        written(write, result_of(UNDER, OVER))


def colored(mask, color, label=None):
    return LabeledMask(crop_of(mask), mask.shape, label, 0.5, color)


def test_png_palette_has_the_colours_of_the_objects():
    result = LabeledMasks(
        (colored(~OVER, "#ee3377", "a"), colored(OVER, "#33bbee", "b")), OVER.shape
    )
    image = Image.open(written(write_png, result))
    assert image.mode == "P"
    np.testing.assert_array_equal(np.asarray(image), np.where(OVER, 2, 1))
    assert image.convert("RGB").getpixel((5, 0)) == (0xEE, 0x33, 0x77)
    (first, _) = read_png(written(write_png, result))
    assert (first.score, first.color) == (0.5, "#ee3377")


def many(count):
    mask = np.zeros((1, count), bool)
    return LabeledMasks(
        tuple(
            LabeledMask(crop_of(np.ones((1, 1), bool), i, 0), mask.shape, str(i))
            for i in range(count)
        ),
        mask.shape,
    )


@pytest.mark.parametrize(("write", "read"), MAPS)
@pytest.mark.parametrize(("count", "bits"), [(255, 8), (256, 16), (3000, 16)])
def test_bit_depth_depends_on_the_number_of_objects(write, read, count, bits):
    file = written(write, many(count))
    with Image.open(file) as image:
        assert image.mode == ("I;16" if bits == 16 else "P")
    file.seek(0)
    assert_same(read(file), many(count))


def test_more_objects_than_16_bits_are_refused():
    for write in (write_png, write_tiff):
        with pytest.raises(ExportError, match="65535 objects, got 65536"):
            written(write, many(65_536))


def test_pixels_with_class_numbers():
    result = result_of(UNDER & ~OVER, OVER, labels=["b", "a"])
    file = written(write_png, result, values="classes", classes=["a", "b"])
    np.testing.assert_array_equal(
        np.asarray(Image.open(file)), np.where(OVER, 1, np.where(UNDER, 2, 0))
    )
    file.seek(0)
    assert read_png(file).labels == ("a", "b")


def test_imagej_reads_the_labels_and_their_colours():
    result = LabeledMasks((colored(OVER, "#ee3377", "größe"),), OVER.shape)
    with tifffile.TiffFile(written(write_tiff, result)) as file:
        assert file.is_imagej
        np.testing.assert_array_equal(file.asarray(), OVER.astype(np.uint8))
        assert (file.pages[0].colormap[:, 1] // 257).tolist() == [0xEE, 0x33, 0x77]
    with tifffile.TiffFile(written(write_tiff, result_of(OVER, UNDER), stack=True)) as file:
        assert file.imagej_metadata["Labels"] == ["object", "object"]
        assert file.asarray().shape == (2, 4, 6)
    with pytest.raises(ExportError, match="stack=False"):
        written(write_tiff, LabeledMasks((), (3, 3)), stack=True)


def test_numpy_loads_arrays_without_pickle():
    loaded = np.load(
        written(write_npz, result_of(UNDER, OVER, labels=["a", None], scores=[0.5, None]))
    )
    np.testing.assert_array_equal(loaded["masks"], [UNDER, OVER])
    assert loaded["masks"].dtype == bool
    assert loaded["labels"].tolist() == ["a", "object"]
    np.testing.assert_array_equal(loaded["scores"], np.float32([0.5, np.nan]))
    assert loaded["boxes"].tolist() == [[2, 1, 5, 3], [0, 0, 3, 4]]


def test_npz_of_another_program():
    file = io.BytesIO()
    np.savez(file, masks=np.stack([UNDER, OVER]), labels=["x", "y"])
    file.seek(0)
    read = read_npz(file)
    np.testing.assert_array_equal(read.masks, [UNDER, OVER])
    assert read.labels == ("x", "y")


def test_pickle_is_never_loaded():
    file = io.BytesIO()
    np.savez(file, masks=np.array([{"a": 1}], object))
    file.seek(0)
    with pytest.raises(AnnotationError):
        read_npz(file)


def test_pngs_in_a_folder(tmp_path):
    folder = tmp_path / "new" / "masks"
    result = result_of(UNDER, OVER, labels=["a/../b: *?", "名前"])
    write_pngs(result, folder)
    assert sorted(p.name for p in folder.iterdir()) == ["001_a_b.png", "002_名前.png"]
    assert_same(read_pngs(folder), result)
    with Image.open(folder / "001_a_b.png") as image:
        np.testing.assert_array_equal(np.asarray(image), UNDER)
    (folder / "001_a_b.png").unlink()
    with pytest.raises(ExistsError, match="002_"):
        write_pngs(result, folder)
    assert not (folder / "001_a_b.png").exists()  # all are checked before the first is written
    write_pngs(result, folder, overwrite=True)


def test_pngs_of_another_program(tmp_path):
    Image.fromarray(UNDER.astype(np.uint8) * 255).save(tmp_path / "01_cell.png")
    Image.fromarray(OVER).save(tmp_path / "02.png")
    read = read_pngs(tmp_path)
    assert read.labels == ("cell", None)
    np.testing.assert_array_equal(read.masks, [UNDER, OVER])
    Image.new("1", (3, 3)).save(tmp_path / "03.png")
    with pytest.raises(AnnotationError, match="3 x 3 pixels, this one has 6 x 4"):
        read_pngs(tmp_path)


def test_folder_without_images(tmp_path):
    with pytest.raises(AnnotationError, match="no images"):
        read_pngs(tmp_path)


def test_torchvision_and_supervision_read_voc(tmp_path):
    voc = tmp_path / "VOCdevkit" / "VOC2012"
    with pytest.warns(LossWarning, match="2 pixels belong"):
        write_voc(result_of(UNDER, OVER, labels=["cat", "dog"]), voc, name="photo")
    (voc / "JPEGImages").mkdir()
    Image.new("RGB", (6, 4)).save(voc / "JPEGImages" / "photo.jpg")
    splits = voc / "ImageSets" / "Segmentation"
    splits.mkdir(parents=True)
    (splits / "train.txt").write_text("photo\n")
    _, target = VOCSegmentation(str(tmp_path))[0]
    np.testing.assert_array_equal(np.asarray(target), np.where(OVER, 2, np.where(UNDER, 1, 0)))
    data = sv.DetectionDataset.from_pascal_voc(str(voc / "JPEGImages"), str(voc / "Annotations"))
    _, _, found = data[0]
    # Before 0.31.2 boxes end with the last column and row, since then one past them.
    past = int(Version(sv.__version__) >= Version("0.31.2"))
    assert found.xyxy.tolist() == [[2, 1, 4 + past, 2 + past], [0, 0, 2 + past, 3 + past]]
    assert [data.classes[i] for i in found.class_id] == ["cat", "dog"]


def test_voc_palette():
    colors = voc_colors()
    assert colors[[0, 1, 2, 3, 8, 255]].tolist() == [
        *([0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [64, 0, 0], [224, 224, 192])
    ]


def test_voc_with_void_pixels_and_missing_names(tmp_path):
    write_voc(result_of(OVER, labels=["a"]), tmp_path)
    number = np.where(OVER, 1, 255)
    number[0, 0] = 2
    path = tmp_path / "SegmentationObject" / "image.png"
    Image.fromarray(number.astype(np.uint8)).save(path)
    with pytest.warns(RepairWarning, match="objects up to 2"):
        assert read_voc(tmp_path).labels == ("a", None)
    with pytest.raises(ExportError, match="254 objects, got 255"):
        write_voc(many(255), tmp_path / "b")


def test_xml_entity_expansion_is_refused(tmp_path):
    write_voc(result_of(OVER, labels=["a"]), tmp_path)
    (tmp_path / "Annotations" / "image.xml").write_text(
        '<!DOCTYPE a [<!ENTITY x "xxxx"><!ENTITY y "&x;&x;">]><annotation>&y;</annotation>'
    )
    with pytest.raises(AnnotationError, match=r"image\.xml"):
        read_voc(tmp_path)


IMAGE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


@given(result=results(max_side=6))
def test_cutout_keeps_the_pixels_and_the_mask(result):
    height, width = result.size
    image = np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3)
    rgba = cutout(result, image, crop=False)
    whole = result.masks.any(axis=0)
    np.testing.assert_array_equal(rgba[..., 3], whole * 255)
    np.testing.assert_array_equal(rgba[whole, :3], image[whole])
    file = io.BytesIO()
    write_cutout(result, file, image=image, crop=False)
    file.seek(0)
    np.testing.assert_array_equal(read_cutout(file)[0].mask, whole)


def test_cropped_cutout_of_one_object():
    result = result_of(UNDER, OVER)
    np.testing.assert_array_equal(cutout(result, IMAGE, index=0)[..., :3], IMAGE[1:3, 2:5])
    with pytest.raises(ExportError, match="nothing to cut out"):
        write_cutout(result_of(UNDER & ~UNDER), io.BytesIO(), image=IMAGE)
    with pytest.raises(ExportError, match=r"must have the shape \(4, 6, 3\)"):
        cutout(result, IMAGE[:2])
    opaque = io.BytesIO()
    Image.new("RGB", (3, 3)).save(opaque, "PNG")
    opaque.seek(0)
    with pytest.raises(AnnotationError, match="no alpha channel"):
        read_cutout(opaque)


@given(hnp.arrays(st.sampled_from([np.uint8, np.int32, np.uint16, np.bool_]), (3, 5)))
def test_label_map_has_one_object_per_number(label_map):
    if label_map.dtype == np.int32:
        label_map = abs(label_map // 2)
    found = from_label_map(label_map)
    numbers = np.unique(label_map[label_map > 0])
    assert len(found) == len(numbers)
    for one, number in zip(found, numbers, strict=True):
        np.testing.assert_array_equal(one.mask, label_map == number)


def test_invalid_label_maps():
    with pytest.raises(AnnotationError, match=r"probabilities > 0\.5"):
        from_label_map(np.zeros((3, 3)))
    with pytest.raises(AnnotationError, match=r"got shape \(3, 3, 3\)"):
        from_label_map(np.zeros((3, 3, 3), int))
    with pytest.raises(AnnotationError, match="undo the scaling"):
        from_label_map(np.zeros((3, 3), int), size=(6, 6))
    with pytest.warns(RepairWarning, match="negative numbers"):
        assert len(from_label_map(np.array([[-1, 0, 4]]))) == 1


def test_images_that_are_not_label_maps_are_refused():
    for mode, options in (("RGB", {"format": "PNG"}), ("L", {"format": "JPEG"})):
        file = io.BytesIO()
        Image.new(mode, (6, 4)).save(file, **options)
        file.seek(0)
        with pytest.raises(AnnotationError, match="label map"):
            read_png(file)


@pytest.mark.parametrize(("write", "read"), [*LOSSLESS, *MAPS])
def test_truncated_and_unrelated_files_are_clear_errors(write, read):
    data = written(write, result_of(UNDER & ~OVER, OVER, labels=["a", "b"])).getvalue()
    for broken in (b"", b"hello", data[: len(data) // 2], data[:20]):
        with pytest.raises(AnnotationError):
            read(io.BytesIO(broken))
    with pytest.raises(AnnotationError, match="6 x 4 pixels, this one has 4 x 6"):
        read(io.BytesIO(data), size=(6, 4))


def test_invalid_entries_of_a_legend_are_ignored():
    legend = [{"label": ["x"], "score": "high", "color": "red; }"}, 3]
    info = json.dumps(legend)
    file = io.BytesIO()
    image = Image.fromarray(OVER.astype(np.uint8))
    from PIL.PngImagePlugin import PngInfo  # noqa: PLC0415

    text = PngInfo()
    text.add_itxt("sam2-widget", info)
    image.save(file, "PNG", pnginfo=text)
    file.seek(0)
    (found,) = read_png(file)
    assert found.color is None
    assert found.score is None


def test_zip_without_masks_is_refused():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", "hello")
    file.seek(0)
    with pytest.raises(AnnotationError, match="must have an array 'masks'"):
        read_npz(file)
    file.seek(0)
    with pytest.raises(AnnotationError, match="no images"):
        read_pngs(file)
