#!/usr/bin/env python3
"""Takes checks out of the sources, one at a time, and shows that a test fails for each: see CONTRIBUTING.md, "A mutant".

Each mutant is a copy of one source file with one fragment replaced. The copy is compiled in a folder of its own, and
linked before the library that the other objects come from. The sources are only read.
"""

import argparse
import concurrent.futures
import pathlib
import queue
import re
import resource
import shlex
import shutil
import subprocess
import sys
import time

# Asked last, since each takes as long as half of the others together.
SLOW = ["every_small_pattern_fits", "many_grants_together", "a_path_is_found_exactly", "a_page_shows_500_partners",
        "a_policy_that_nobody_has"]
ANSWERS = {"same_answers": ["20000"], "same_revocations": ["2000"]}
CPU_SECONDS = 200  # of one run of the tests: processor time, since the machine may be busy
WALL_SECONDS = 1200  # a test that waits for ever takes no processor time
HERE = pathlib.Path(__file__).parent


class Mutant:
    def __init__(self, where, source):
        self.where, self.source = where, source
        self.sentence, self.fragment, self.replacement = "", None, None
        self.fails, self.equivalent, self.open = [], "", ""

    def name(self):
        return f"{self.where}: {self.sentence}"


def read_list(path):
    """Blocks between empty lines: "[FILE]" alone, or a mutant of the file before."""
    mutants, source, mutant = [], None, None
    for number, line in enumerate(path.read_text().splitlines() + [""], 1):
        where = f"{path.name}:{number}"
        if line.startswith("#"):
            continue
        if not line.strip():
            if mutant and (mutant.replacement is None or mutant.fragment is None or not mutant.sentence):
                sys.exit(f"{mutant.where}: expected a sentence, '- FRAGMENT' and '+ REPLACEMENT'")
            if mutant:
                mutants.append(mutant)
            mutant = None
            continue
        if line.startswith("["):
            source = pathlib.Path(line.strip("[]"))
            continue
        if source is None:
            sys.exit(f"{where}: expected [FILE] first")
        mutant = mutant or Mutant(where, source)
        if line[0] in "-+" and line[1:2] in ("", " "):
            part = "fragment" if line[0] == "-" else "replacement"
            before = getattr(mutant, part)
            setattr(mutant, part, line[2:] if before is None else before + "\n" + line[2:])
        elif line.startswith("fails: "):
            mutant.fails = line[len("fails: "):].split()
        elif line.startswith("equivalent: "):
            mutant.equivalent = line[len("equivalent: "):]
        elif line.startswith("open: "):
            mutant.open = line[len("open: "):]
        else:
            mutant.sentence = (mutant.sentence + " " + line.strip()).strip()
    return mutants


def pattern_of(fragment):
    """clang-format may lay a fragment out anew: blanks and ends of lines are alike."""
    return re.compile(r"\s+".join(re.escape(word) for word in fragment.split()))


def mutate(mutant):
    text = mutant.source.read_text()
    found = list(pattern_of(mutant.fragment).finditer(text))
    if len(found) != 1:
        sys.exit(f"{mutant.where}: the fragment is {len(found)} times in {mutant.source}, expected once:\n"
                 f"  {mutant.fragment}")
    at = found[0]
    return text[: at.start()] + mutant.replacement + text[at.end():]


def claims_of_unit_tests():
    out = []
    for path in sorted(pathlib.Path("tests/unit").glob("*_test.cpp")):
        out += re.findall(r"^CLAIM\((\w+)", path.read_text(), re.M)
    return out


def limit_processor_time():
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def first_failure(command):
    """The claim that fails first, or that a crash or the limit of time ends; "" where all hold."""
    began = time.monotonic()
    running = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=limit_processor_time,
                          errors="replace") as process:
        for line in process.stdout:
            if found := re.match(r"\[ +RUN +\] (\w+)", line):
                running = found.group(1)
            failed = re.match(r"\[ +FAILED +\] (\w+)", line)
            if failed or time.monotonic() - began > WALL_SECONDS:
                process.kill()
                return failed.group(1) if failed else running
        try:
            status = process.wait(WALL_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            status = -1
    return "" if status == 0 else running or pathlib.Path(command[0]).name


class Builder:
    def __init__(self, options):
        self.build = pathlib.Path(options.build)
        self.folder = self.build / "mutants"
        self.compile = shlex.split(options.compile)
        self.link = shlex.split(options.link) + ["-Wl,-S"]
        linker = next((name for name in ("lld", "gold") if shutil.which("ld." + name)), None)
        if linker:
            self.link.append("-fuse-ld=" + linker)
        self.libraries = shlex.split(options.libraries)

    def objects_of(self, program):
        folder = {"unit_tests": "unit", "same_answers": "answers", "same_revocations": "revocation"}[program]
        return [str(self.build / "plain" / source.with_suffix(".o"))
                for where in (folder, "support") for source in sorted(pathlib.Path("tests", where).glob("*.cpp"))]

    def make_object(self, mutant, place):
        source, made = place / "united.cpp", place / "mutant.o"
        # The other files of its folder come with it, as they do in the library.
        files = sorted(mutant.source.parent.glob("*.cpp"))
        source.write_text("".join(mutate(mutant) if file == mutant.source else file.read_text() for file in files))
        done = subprocess.run(self.compile + ["-c", str(source), "-o", str(made)], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{mutant.where}: does not compile\n{done.stderr[:2000]}")
        return made

    def make_program(self, program, mutated, place):
        made = place / program
        subprocess.run(self.link + ["-o", str(made), str(mutated)] + self.objects_of(program)
                       + [str(self.build / "libmtls_authz.a")] + self.libraries, check=True)
        return made


def try_mutant(mutant, builder, free):
    place = free.get()
    try:
        place.mkdir(parents=True, exist_ok=True)
        return what_fails(mutant, builder, place)
    finally:
        free.put(place)


def what_fails(mutant, builder, place):
    """A claim or a program; "" where none does."""
    mutated = builder.make_object(mutant, place)
    named = [name for name in mutant.fails if name not in ANSWERS]
    unit = None
    if named or not mutant.fails:
        unit = builder.make_program("unit_tests", mutated, place)
    if named and (failed := first_failure([str(unit)] + named)):
        return failed
    for program in sorted(set(mutant.fails) & set(ANSWERS)):
        if first_failure([str(builder.make_program(program, mutated, place))] + ANSWERS[program]):
            return program
    # What is named does not fail, or nothing is named: all is asked.
    unit = unit or builder.make_program("unit_tests", mutated, place)
    for claims in (["-" + slow for slow in SLOW], SLOW):
        if failed := first_failure([str(unit)] + claims):
            return failed
    for program in sorted(set(ANSWERS) - set(mutant.fails)):
        if first_failure([str(builder.make_program(program, mutated, place))] + ANSWERS[program]):
            return program
    return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True)
    parser.add_argument("--compile", required=True)
    parser.add_argument("--link", required=True)
    parser.add_argument("--libraries", required=True)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--sample", type=int, default=0, help="so many, evenly spread over the list: always the same")
    parser.add_argument("only", nargs="*", help="mutants whose file or sentence contains one of these")
    options = parser.parse_args()

    mutants = [m for path in sorted(HERE.glob("*.txt")) for m in read_list(path)]
    claims = claims_of_unit_tests()
    for mutant in mutants:
        mutate(mutant)
        for name in mutant.fails:
            if name not in claims and name not in ANSWERS:
                sys.exit(f"{mutant.where}: no claim is called {name}")
    wanted = [m for m in mutants if not m.equivalent and not m.open]
    if options.only:
        wanted = [m for m in wanted if any(part in f"{m.source} {m.name()}" for part in options.only)]
    if options.sample:
        wanted = [m for m in wanted if m.fails and not set(m.fails) & set(ANSWERS)]
        wanted = [wanted[i * len(wanted) // options.sample] for i in range(min(options.sample, len(wanted)))]

    builder = Builder(options)
    # What fails anyway shows nothing.
    whole = not (options.sample or options.only)
    named = {name for m in wanted for name in m.fails}
    claims = [] if whole else sorted(named - set(ANSWERS))
    programs = [[str(builder.folder / "unit_tests")] + claims] if whole or claims else []
    programs += [[str(builder.build / name)] + ANSWERS[name] for name in ANSWERS if whole or name in named]
    for program in programs:
        if failed := first_failure(program):
            sys.exit(f"without any mutant {failed} fails")
    began = time.monotonic()
    survivors, others, broken = [], [], []
    free = queue.SimpleQueue()
    for job in range(options.jobs):
        free.put(builder.folder / f"job-{job}")
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        asked = {pool.submit(try_mutant, m, builder, free): m for m in wanted}
        for done in concurrent.futures.as_completed(asked):
            mutant = asked[done]
            if done.exception():
                broken.append(str(done.exception()))
                continue
            failed = done.result()
            print(f"{'fails' if failed else 'SURVIVES'}  {mutant.name()}  {failed}", flush=True)
            if not failed:
                survivors.append(mutant)
            elif failed not in mutant.fails:
                others.append((mutant, failed))
    for what in broken:
        print(what)
    for mutant, failed in others:
        print(f"{mutant.where}: 'fails: {failed}' would find it sooner")
    for mutant in survivors:
        print(f"{mutant.where}: no test fails: {mutant.sentence}")
    equivalent, still_open = sum(1 for m in mutants if m.equivalent), sum(1 for m in mutants if m.open)
    print(f"{len(wanted)} of {len(mutants)} mutants ({equivalent} explained as equivalent, {still_open} still open) in "
          f"{time.monotonic() - began:.0f} s: {len(survivors)} without a test that fails")
    return 1 if survivors or broken else 0


if __name__ == "__main__":
    sys.exit(main())
