import Glibc
import Kernel
import Supervision

/// Where a run directory is made whose path must be short.
struct ShortPlace: Sendable {
    /// A directory of this user alone, such as `$XDG_RUNTIME_DIR`, or one of everybody's, such as `/tmp`.
    let parent: String

    /// `$XDG_RUNTIME_DIR`, or `/tmp` where there is none.
    static var ofThisUser: ShortPlace {
        guard let directory = getenv("XDG_RUNTIME_DIR").map({ String(cString: $0) }),
            directory.hasPrefix("/"), directory.utf8.count < 40, access(directory, W_OK) == 0
        else { return ShortPlace(parent: "/tmp") }
        return ShortPlace(parent: directory)
    }

    /// Makes the run directory of `state`, or finds it made by us: the same path each time.
    ///
    /// In a directory that everybody may write to, someone else could have made it first, or put a link
    /// there; so it is used only if it is a directory, ours, and closed to others.
    func claim(for state: String) throws(Fault) -> String {
        var digest = StableDigest()
        digest.add([state])
        let path = "\(parent)/constintel-\(geteuid())-\(digest.text)"
        let doing = "use \(path) for the sockets of \(state)"
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
            throw Fault(.unavailable, doing: doing, String(cString: strerror(errno)))
        }
        var found = stat()
        guard lstat(path, &found) == 0, found.st_mode & S_IFMT == S_IFDIR, found.st_uid == geteuid(),
            found.st_mode & 0o077 == 0
        else {
            throw Fault(
                .conflict, doing: doing,
                "it is not a directory of this user alone; remove it, or choose a shorter CONSTINTEL_HOME")
        }
        return path
    }
}
