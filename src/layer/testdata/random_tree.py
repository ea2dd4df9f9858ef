"""Random trees and random changes to them, the same for the same seed.

usage: random_tree.py make SEED DIR | change SEED DIR | list DIR [times]
"""
import hashlib
import os
import random
import shutil
import stat
import sys

PLAIN = [b"a", b"file.txt", b"sp ace", b"-dash", b"README", b"x.tar.gz", b"caf\xc3\xa9", "日本語".encode(), b"b", b"c", b"lib64"]
HARD = [b"new\nline", b"tab\tname", b"back\\slash", b"not-utf8-\xff\xfe", b"quote'\"", b"n" * 255, "é".encode() * 127, b"*", b"%s", b".hidden", b"..data", b"\x01control"]


def names(r, hard):
    return r.choice(PLAIN + HARD if hard else PLAIN) if r.random() < 0.7 else b"f%d" % r.randrange(1000)


def attributes(r, path, link=False):
    os.chown(path, r.choice([0, 0, 1000, 65534, 2097152, 4294967290]), r.choice([0, 5, 100, 3000000]), follow_symlinks=False)
    if not link:
        os.chmod(path, r.choice([0o644, 0o600, 0o755, 0o4755, 0o2711, 0o1777, 0o000, 0o7777]))
        plain = os.path.isfile(path) or os.path.isdir(path)
        if r.random() < 0.2 and plain:
            os.setxattr(path, b"user.note", r.randbytes(r.choice([0, 1, 40, 600])))
        if r.random() < 0.1 and plain:
            os.setxattr(path, r.choice([b"trusted.name=with=equals", b"trusted.per%cent%3D%25"]), b"v\n\0v")
    when = r.choice([0, 1, 1_700_000_000_123_456_789, -86_400 * 10**9, 4_102_444_800 * 10**9, 12_345_678_901 * 10**9 + 5])
    os.utime(path, ns=(when, when), follow_symlinks=False)


def one(r, path, files, hard):
    """A random entry that is no folder."""
    kind = r.choice(["file"] * 6 + ["symlink", "link", "fifo", "device", "sparse"])
    if kind == "link" and files:
        return os.link(r.choice(files), path, follow_symlinks=False)
    if kind == "symlink":
        os.symlink(r.choice([b"a", b"../..", b"/etc/passwd", b"no/where", b"l" * (3000 if hard else 90), b"\xff"]), path)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        os.mknod(path, r.choice([stat.S_IFCHR, stat.S_IFBLK]) | 0o600, os.makedev(r.choice([1, 8, 259]), r.choice([3, 255, 256, 70000])))
    else:
        with open(path, "wb") as f:
            if kind == "sparse":
                for _ in range(r.randrange(4)):
                    f.seek(r.randrange(300_000))
                    f.write(r.randbytes(r.randrange(1, 5000)))
                f.truncate(400_000)
            else:
                f.write(r.randbytes(r.choice([0, 1, 100, 511, 512, 513, 5000])))
    attributes(r, path, kind == "symlink")
    # GNU tar saves a second name of a device as another device.
    if kind in ("file", "sparse"):
        files.append(path)


def fill(r, folder, depth, files, hard):
    for _ in range(r.randrange(2, 9)):
        path = os.path.join(folder, names(r, hard))
        if os.path.lexists(path):
            continue
        if depth > 0 and r.random() < 0.35:
            os.mkdir(path)
            fill(r, path, depth - 1, files, hard)
            attributes(r, path)
        else:
            one(r, path, files, hard)


def everything(root):
    return sorted(os.path.join(d, n) for d, ds, fs in os.walk(root) for n in ds + fs)


def is_dir(path):
    return os.path.isdir(path) and not os.path.islink(path)


def remove(path):
    shutil.rmtree(path) if is_dir(path) else os.unlink(path)


def change(r, root):
    for _ in range(r.randrange(10, 40)):
        paths = everything(root)
        dirs = [root] + [p for p in paths if is_dir(p)]
        files = [p for p in paths if os.path.isfile(p) and not os.path.islink(p)]
        fresh = os.path.join(r.choice(dirs), names(r, False))
        old = r.choice(paths) if paths else fresh
        action = r.choice(["add", "add", "remove", "remove", "replace", "again", "write", "meta", "rename", "tree"])
        if action in ("add", "tree") and not os.path.lexists(fresh):
            if action == "add":
                one(r, fresh, files, False)
            else:
                os.mkdir(fresh)
                fill(r, fresh, 1, [], False)
        elif action == "remove" and paths:
            remove(old)
        elif action == "replace" and paths:
            folder = is_dir(old)
            remove(old)
            if folder:
                one(r, old, [], False)
            else:
                os.mkdir(old)
                fill(r, old, 0, [], False)
        elif action == "again" and len(dirs) > 1:
            target = r.choice(dirs[1:])
            remove(target)
            os.mkdir(target)
            if r.random() < 0.7:
                fill(r, target, 1, [], False)
        elif action == "write" and files:
            with open(r.choice(files), "ab") as f:
                f.write(b"more")
        elif action == "meta" and paths:
            attributes(r, old, os.path.islink(old))
        elif action == "rename" and files and not os.path.lexists(fresh):
            os.rename(r.choice(files), fresh)


def show(root, times):
    """Each entry on a line that ends in NUL: name, mode, owner, size, link; then what only an archive or a file system shows."""
    first = {}
    for path in everything(root):
        s = os.lstat(path)
        name = path[len(root) :]
        folder = stat.S_ISDIR(s.st_mode)
        line = [name, b"%o" % s.st_mode, b"%d:%d" % (s.st_uid, s.st_gid), b"" if folder else b"%d" % s.st_size]
        line.append(os.readlink(path) if stat.S_ISLNK(s.st_mode) else b"")
        more = [first.setdefault((s.st_dev, s.st_ino), name)] if not folder and s.st_nlink > 1 else [b""]
        if stat.S_ISREG(s.st_mode):
            with open(path, "rb") as f:
                more.append(hashlib.sha256(f.read()).hexdigest().encode())
        more.append(b"%x" % s.st_rdev)
        for key in sorted(os.listxattr(path, follow_symlinks=False)):
            if not key.startswith("trusted.overlay."):
                more += [os.fsencode(key), os.getxattr(path, key, follow_symlinks=False).hex().encode()]
        more.append(b"%d" % s.st_mtime_ns if times else b"")
        sys.stdout.buffer.write(b" ".join(line) + b"\0" + b" ".join(more) + b"\0")


def main(verb, *rest):
    if verb == "list":
        return show(os.fsencode(rest[0]), "times" in rest)
    r, root = random.Random(int(rest[0])), os.fsencode(rest[1])
    os.umask(0)
    if verb == "make":
        os.mkdir(root)
        fill(r, root, 3, [], len(rest) > 2)
        os.chmod(root, 0o755)
        os.utime(root, (0, 0))
    else:
        change(r, root)


main(*sys.argv[1:])
