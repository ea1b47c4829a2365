"""ImageJ opens our TIFFs, in the colours of the objects. It needs a screen: Xvfb is one."""

import numpy as np

from sam2_widget.export.tiff import write_label_stack, write_tiff

from .conftest import RING, TWO, program, run

JAR = "/usr/share/java/ij.jar"


def imagej(folder, macro):
    """What a macro prints, one that has `folder` for its argument."""
    path = folder / "macro.ijm"
    path.write_text(f"setBatchMode(true);\nfolder = getArgument();\n{macro}")
    command = [program("xvfb", "xvfb-run"), "-a", program("java", "java")]
    output = run(*command, "-cp", JAR, "ij.ImageJ", "-batch", path, folder, LC_ALL="C.UTF-8")
    return [line for line in output.splitlines() if line]


def test_imagej_shows_labels_in_their_colours(masks, folder):
    write_tiff(masks, folder / "labels.tif")
    said = imagej(
        folder,
        """open(folder + "/labels.tif");
        print(getWidth() + " " + getHeight() + " " + nSlices + " " + bitDepth());
        print(getPixel(6, 6) + " " + getPixel(20, 20) + " " + getPixel(55, 12));
        getLut(r, g, b);
        print(r[1] + " " + g[1] + " " + b[1] + " " + r[2] + " " + g[2] + " " + b[2]);
        getRawStatistics(n, mean, min, max, std, histogram);
        print(histogram[1] + " " + histogram[2]);""",
    )
    colors = f"{0xEE} {0x33} {0x77} {0x33} {0xBB} {0xEE}"
    assert said == ["90 60 1 8", "1 0 2", colors, "1175 500"]


def test_imagej_shows_a_slice_for_each_object_by_its_name(masks, folder):
    write_tiff(masks, folder / "stack.tif", stack=True)
    said = imagej(
        folder,
        """open(folder + "/stack.tif");
        for (i = 1; i <= nSlices; i++) {
          setSlice(i);
          getRawStatistics(n, mean, min, max, std, histogram);
          print(getInfo("slice.label") + ": " + histogram[255]);
        }""",
    )
    assert said == ["Zelle ü: 1175", "a dog: 500"]


def test_imagej_shows_the_planes_of_a_label_stack(folder):
    volume = np.stack([RING * 1, RING * 0, TWO * 300]).astype(np.int32)
    for axis in "ZT":
        write_label_stack(volume, folder / f"{axis}.tif", axis=axis)
    said = imagej(
        folder,
        """open(folder + "/Z.tif");
        Stack.getDimensions(width, height, channels, slices, frames);
        print(slices + " " + frames + " " + bitDepth());
        setSlice(3);
        print(getPixel(55, 12) + " " + getPixel(6, 6));
        open(folder + "/T.tif");
        Stack.getDimensions(width, height, channels, slices, frames);
        print(slices + " " + frames);""",
    )
    assert said == ["3 1 16", "300 0", "1 3"]
