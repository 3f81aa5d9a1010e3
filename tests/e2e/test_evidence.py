# SPDX-License-Identifier: Apache-2.0
"""Evidence from files, through the real command: every real case gives its verdict and its exit
status; explain, diff and receipts work on what verify reads."""
import csv
import json
import subprocess

import pytest

from conftest import MSE, Result
from test_collateral import samples


@pytest.fixture
def run(tmp_path):
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8",
           "MSE_CONFIG_HOME": str(tmp_path / "config")}

    def call(*arguments):
        return Result(subprocess.run([str(MSE), *map(str, arguments)], env=env, text=True,
                                     capture_output=True, timeout=60, check=False))
    return call


def test_every_real_case(run, tmp_path):
    folder = samples()
    with open(folder / "cases.tsv", encoding="utf-8", newline="") as file:
        cases = list(csv.DictReader(file, delimiter="\t"))
    assert cases
    for case in cases:
        arguments = ["verify", "--evidence", folder / case["evidence"], "--at", case["at_unix"],
                     "--json"]
        if case["collateral"] != "-":
            arguments += ["--collateral", folder / case["collateral"]]
        if case["tee"] == "snp":  # of their time: below the bulletins that came later, without CRL
            if case["strict_verdict"] == "accepted":
                assert run(*arguments).status == 3, case["case"]
            arguments += ["--policy", of_its_time(tmp_path)]
        result = run(*arguments)
        found = (result.json["verdict"], result.json["tee"], result.json["status"])
        assert found == (case["strict_verdict"], case["tee"], case["status"]), case["case"]
        assert result.status == (0 if case["strict_verdict"] == "accepted" else 3), case["case"]


def of_its_time(folder):
    policy = folder / "of-its-time.toml"
    policy.write_text('crl = "if-present"\n[snp]\nmin_tcb = {}\nvmpl = [0, 1, 2, 3]\n')
    return policy


def genoa(folder):
    return ("--evidence", folder / "snp-genoa-v5.evidence", "--collateral",
            folder / "snp-genoa-v5.collateral.json")


def test_policy_and_time(run, tmp_path):
    folder = samples()
    policy = tmp_path / "policy.toml"
    policy.write_text('crl = "if-present"\n[snp]\nmin_tcb = { microcode = 85 }\n')
    result = run("verify", *genoa(folder), "--at", "2025-09-04T15:33:20Z", "--policy", policy)
    assert result.status == 3
    assert "microcode is at 84, at least 85 is needed" in result.out
    policy.write_text('crl = "if-present"\n[snp]\nmin_tcb = { microcode = 84 }\n')
    assert run("verify", *genoa(folder), "--at", "1757000000", "--policy", policy).status == 0
    assert run("verify", *genoa(folder), "--at", "yesterday").status == 2
    assert run("verify", "--evidence", tmp_path / "none").status == 1
    policy.write_text("[snp]\nmin_tbc = 1\n")
    result = run("verify", *genoa(folder), "--at", "1757000000", "--policy", policy)
    assert result.status == 1
    assert "min_tbc" in result.err


def test_receipt(run, tmp_path):
    folder = samples()
    receipt = tmp_path / "receipt.json"
    policy = of_its_time(tmp_path)
    assert run("verify", *genoa(folder), "--policy", policy, "--at", "1757000000", "--receipt", receipt).status == 0
    shown = run("verify", "--check-receipt", receipt, *genoa(folder), "--policy", policy, "--json")
    assert shown.status == 0, shown
    assert shown.json["verdict"] == "accepted" and shown.json["at"] == 1757000000
    key = shown.json["verifier"]
    assert run("verify", "--check-receipt", receipt, "--verifier", key).status == 0
    assert run("verify", "--check-receipt", receipt, "--verifier", "00" * 32).status == 3
    other = run("verify", "--check-receipt", receipt, "--evidence", folder / "snp-milan-v2.evidence")
    assert other.status == 3 and "not of the evidence" in other.err
    receipt.write_text(receipt.read_text().replace('"genuine"', '"genuino"', 1))
    assert run("verify", "--check-receipt", receipt).status == 3
    rejected = tmp_path / "rejected.json"
    assert run("verify", *genoa(folder), "--at", "1", "--receipt", rejected).status == 3
    assert run("verify", "--check-receipt", rejected).status == 3


def test_explain_and_diff(run, tmp_path):
    folder = samples()
    shown = run("explain", folder / "snp-genoa-v5.evidence", "--json").json
    assert shown["fields"]["report.family"] == "Genoa"
    assert "CN=Intel SGX Root CA" in run("explain", folder / "tdx4-up-to-date.evidence").out
    assert run("explain", folder / "tdx4-up-to-date.collateral.json").status == 0
    (tmp_path / "note.txt").write_text("hello")
    assert run("explain", tmp_path / "note.txt").status == 1
    pair = folder / "snp-milan-v2.evidence", folder / "snp-milan-guest-svn.evidence"
    fields = {entry["field"]: entry for entry in run("diff", *pair, "--json").json}
    assert "runtime image" in fields["report.measurement"]["meaning"]
    assert run("diff", pair[0], pair[0]).out == "no difference\n"
    a = {"code_commitment": "00"}
    (tmp_path / "a.json").write_text(json.dumps(a))
    assert run("diff", tmp_path / "a.json", tmp_path / "a.json", "--json").json == []
