# SPDX-License-Identifier: Apache-2.0
"""mse image show and measure, on a small image whose parts are known answers: what is computed, and
that no file of the folder is believed."""
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import MSE, Result

KNOWN = Path(__file__).resolve().parents[1] / "unit" / "measure" / "known-answers"
BLOCK, SALT = bytes(range(256)) * 16, bytes(32)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def run(tmp_path):
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8"}

    def call(*arguments):
        return Result(subprocess.run([str(MSE), "image", *map(str, arguments)], env=env, text=True,
                                     capture_output=True, timeout=60, check=False))
    return call


def describe(folder, **changes):
    """image.json for the files of the folder."""
    def file(name, package=None):
        return {"sha256": sha256((folder / name).read_bytes()),
                **({"package": package} if package else {})}
    verity = f"{sha256(SALT + BLOCK)}:1:{SALT.hex()}"
    document = {
        "format": 1, "name": "small", "python": "3.11",
        "firmware": {"snp": file("firmware-snp.fd", "ovmf 1"),
                     "tdx": file("firmware-tdx.fd", "ovmf 1")},
        "kernel": file("kernel", "linux 1"), "initrd": file("initrd"),
        "root": {"sha256": sha256((folder / "root").read_bytes()), "verity": verity},
        "cmdline": "acpi=off lockdown=integrity module.sig_enforce=1 init_on_alloc=1 console=mse "
                   f"mse.memory=268435456 mse.root={verity}",
        "memory_min": 268435456, "runtime": "11" * 32, "lock": "22" * 32, **changes}
    text = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    (folder / "image.json").write_bytes(text)
    return document, sha256(text)


@pytest.fixture
def image(tmp_path):
    """The last page of a real firmware, a PE program of nothing, one block of root."""
    folder = tmp_path / "image"
    folder.mkdir()
    shutil.copy(KNOWN / "amdsev-suffix.fd", folder / "firmware-snp.fd")
    firmware = bytearray((KNOWN / "amdsev-suffix.fd").read_bytes())
    for section in (0, 1):  # whose data would lie before the page
        at = len(firmware) - 0x9d0 + 16 + 32 * section
        firmware[at:at + 8] = bytes(8)
    (folder / "firmware-tdx.fd").write_bytes(firmware)
    shutil.copy(KNOWN / "tiny.efi", folder / "kernel")
    (folder / "initrd").write_bytes(b"an initrd")
    (folder / "root").write_bytes(BLOCK + bytes(4096))
    describe(folder)
    return folder


def test_show_says_what_an_image_is(run, image):
    document, digest = describe(image)
    shown = run("show", image)
    assert shown.status == 0 and f"small  sha256:{digest}" in shown.out
    assert document["root"]["verity"] in shown.out and not shown.err
    assert run("show", image, "--json").json == {**document, "digest": digest, "weaknesses": []}


def test_a_weak_image_is_told(run, image):
    document, _ = describe(image)
    describe(image, cmdline=document["cmdline"].replace("console=mse", "console=ttyS0"))
    assert "a debug image" in run("show", image).err
    measured = run("measure", image, "--tee", "snp")
    assert measured.status == 0 and "a debug image" in measured.err
    assert "debug image" in run("measure", image, "--tee", "snp", "--json").json["weaknesses"][0]


def test_what_is_measured_depends_on_everything(run, image):
    measured = run("measure", image, "--tee", "snp", "--json").json
    assert len(measured["measurement"]) == 96
    others = [run("measure", image, "--tee", "snp", "--json", *arguments).json["measurement"]
              for arguments in (["--vcpus", "2"], ["--cpu", "EPYC-Milan"], ["--features", "33"])]
    assert len({measured["measurement"], *others}) == 4
    assert run("measure", image, "--tee", "snp", "--json", "--cpu", "EPYC-v4", "--vcpus", "1",
               "--features", "1").json == measured

    (image / "initrd").write_bytes(b"another initrd")
    describe(image)
    assert run("measure", image, "--tee", "snp", "--json").json["measurement"] not in others


@pytest.mark.parametrize("tee, keys", [("snp", ["measurement", "id_key_digest"]),
                                       ("tdx", ["mrtd", "rtmr1", "rtmr2"])])
def test_what_is_printed_is_a_policy(run, image, tmp_path, tee, keys):
    measured = run("measure", image, "--tee", tee)
    policy = tmp_path / "policy.toml"
    policy.write_text(measured.out)
    values = run("measure", image, "--tee", tee, "--json").json
    assert all(f'{key} = "{values[key]}"' in measured.out for key in keys)
    judged = subprocess.run([MSE, "verify", "--evidence", KNOWN / "signed.report", "--collateral",
                             KNOWN / "signed.collateral.json", "--policy", policy, "--json"],
                            text=True, capture_output=True, check=False)
    failed = [check["name"] for check in json.loads(judged.stdout)["checks"]
              if check["result"] == "fail"]
    expected = {"snp": ["policy.measurement", "policy.id-key-digest"], "tdx": ["policy.tee"]}[tee]
    assert judged.returncode == 3 and [name for name in failed if name in expected] == expected
    assert tee == "tdx" or "policy.tee" not in failed


def test_measure_for_tdx(run, image):
    measured = run("measure", image, "--tee", "tdx", "--json").json
    added = run("measure", image, "--tee", "tdx", "--json", "--mrtd-add-first").json
    assert set(measured) == {"image", "tee", "mrtd", "rtmr1", "rtmr2", "weaknesses"}
    assert measured["mrtd"] != added["mrtd"] and measured == {**added, "mrtd": measured["mrtd"]}
    (image / "initrd").write_bytes(b"another initrd")
    describe(image)
    again = run("measure", image, "--tee", "tdx", "--json").json
    assert again["rtmr2"] != measured["rtmr2"] and again["mrtd"] == measured["mrtd"]


@pytest.mark.parametrize("name", ["kernel", "initrd", "root", "firmware-snp.fd"])
def test_no_file_is_believed(run, image, name):
    data = bytearray((image / name).read_bytes())
    data[0] ^= 1
    (image / name).write_bytes(data)
    refused = run("measure", image, "--tee", "snp")
    assert refused.status == 1 and f"{name}' has SHA-256" in refused.err and not refused.out
    (image / name).unlink()
    assert "No such file" in run("measure", image, "--tee", "snp").err


def test_a_root_that_its_verity_tree_does_not_hold(run, image):
    (image / "root").write_bytes(bytes(4096) + BLOCK)
    describe(image)
    refused = run("measure", image, "--tee", "snp")
    assert refused.status == 1 and "another verity root" in refused.err
    (image / "root").write_bytes(b"short")
    describe(image)
    assert "ends within block 0" in run("measure", image, "--tee", "snp").err


@pytest.mark.parametrize("arguments, part", [
    ([], "no --tee"),
    (["--tee", "sgx"], "--tee 'sgx'"),
    (["--tee", "tdx", "--vcpus", "1"], "--vcpus is for --tee snp"),
    (["--tee", "snp", "--mrtd-add-first"], "--mrtd-add-first is for --tee tdx"),
])
def test_wrong_usage(run, image, arguments, part):
    refused = run("measure", image, *arguments)
    assert refused.status == 2 and part in refused.err


def test_values_that_cannot_be(run, image):
    for arguments, part in ((["--vcpus", "0"], "--vcpus"), (["--vcpus", "1e3"], "--vcpus"),
                            (["--cpu", "host"], "'host' is not known"),
                            (["--features", "32"], "without bit 0")):
        refused = run("measure", image, "--tee", "snp", *arguments)
        assert refused.status == 1 and part in refused.err
    document, _ = describe(image)
    describe(image, firmware={"snp": document["firmware"]["snp"]})
    assert "not made for this TEE" in run("measure", image, "--tee", "tdx").err
    assert "mse image build" in run("measure", image.parent, "--tee", "snp").err
