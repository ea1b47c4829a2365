"""Two users of one JupyterHub, each in a browser of their own, behind one proxy."""

import pytest

IMPORT = "from skimage import data\nfrom sam2_widget import SegmentWidget, segment\n"
SIZES = {"chelsea": (451, 300), "astronaut": (512, 512)}
PLACES = {"chelsea": [(220, 190), (420, 100)], "astronaut": [(220, 100), (400, 60)]}
# The masks belong to the prompts of this user, not of the other one.
SAME = '(w.masks == segment(w.image, w.prompts, model="bundled").masks).all().item()'


def cell(image):
    return IMPORT + f'w = SegmentWidget(data.{image}(), model="bundled")\nw'


def open_widget(user, image):
    user.open([cell(image)]).run_all()
    return user.widget().ready()


def clicked(user):
    """The clicks in the user's kernel, object by object, in whole pixels."""
    return user.value("[[[round(p.x), round(p.y)] for p in o.prompts] for o in w.prompts]")


def test_both_users_segment_at_once_and_see_only_their_own_objects(alice, bob):
    images = {alice: "chelsea", bob: "astronaut"}
    for user, image in images.items():
        user.open([cell(image)]).run_all()
    widgets = {user: user.widget().ready() for user in images}
    # Neither waits for the other, nor for a mask.
    for turn in range(2):
        for user, image in images.items():
            widget = widgets[user]
            widget.stage.click(position=widget.at(*PLACES[image][turn], SIZES[image]))
            widget.stage.press("n")
    for user, image in images.items():
        widgets[user].wait(objects=2, pending="false")
        near = [[pytest.approx(value, abs=1) for value in place] for place in PLACES[image]]
        assert clicked(user) == [[place] for place in near]
        assert user.value("list(w.image.shape[1::-1])") == list(SIZES[image])
        assert user.value(SAME)


def test_users_cannot_reach_the_server_of_another(alice, bob, expected):
    expected += ["403", "WebSocket"]
    open_widget(bob, "chelsea")
    kernel = bob.value("__import__('ipykernel').get_connection_file()").split("kernel-")[-1][:-5]
    assert alice.fetch("/user/alice/api/kernels") == 200
    assert alice.fetch("/user/bob/api/kernels") == 403
    assert alice.fetch(f"/user/bob/api/kernels/{kernel}", "DELETE") == 403
    address = bob.base.replace("http", "ws") + f"/api/kernels/{kernel}/channels"
    opened = """address => new Promise(resolve => {
      const socket = new WebSocket(address);
      socket.onopen = () => resolve("open");
      socket.onclose = () => resolve("closed");
    })"""
    assert alice.page.evaluate(opened, address) == "closed"
    assert bob.page.evaluate(opened, address) == "open"
    bob.widget().click(220, 190, SIZES["chelsea"])
    assert len(clicked(bob)) == 1


def test_requests_without_the_hubs_token_are_refused(alice, expected):
    expected += ["403"]
    alice.open(["1"])
    assert alice.fetch("/user/alice/api/sessions") == 200
    assert alice.fetch("/user/alice/api/kernels", "POST", token=False) == 403


def test_tiles_of_a_large_image_arrive_through_the_proxy(alice):
    came = []

    def record_frame(frame):
        came.append(frame)

    alice.page.on("websocket", lambda socket: socket.on("framereceived", record_frame))
    big = "np.random.default_rng(0).integers(0, 255, (3000, 5000, 3), np.uint8)"
    alice.open([f"import numpy as np\n{IMPORT}w = SegmentWidget({big}, model='bundled')\nw"])
    widget = alice.run_all().widget().ready()
    widget.stage.click()
    widget.settled().button("actual")
    alice.wait_until(lambda: any(b'"tiles"' in frame for frame in came if type(frame) is bytes))


def test_the_widget_works_after_restarts_of_kernel_and_server(alice, expected):
    # JupyterLab's own errors about a server that has stopped.
    expected += ["503", "ERR_", "WebSocket", "Failed to fetch", "424"]
    widget = open_widget(alice, "chelsea")
    widget.click(220, 190, SIZES["chelsea"])
    alice.page.evaluate("() => { jupyterapp.shell.currentWidget.sessionContext.restartKernel(); }")
    widget.root.get_by_role("alert").filter(has_text="Run the cell again").wait_for()
    alice.wait_idle()
    alice.run_all_again()
    alice.widget().ready().click(220, 190, SIZES["chelsea"])
    assert alice.value("len(w.masks)") == 1
    alice.save()
    alice.restart_server()
    alice.visit("test.ipynb")
    alice.run_all()
    widget = alice.widget().ready().click(420, 100, SIZES["chelsea"])
    assert clicked(alice) == [[[pytest.approx(420, abs=1), pytest.approx(100, abs=1)]]]
