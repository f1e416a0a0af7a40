import Kernel

/// The text that is put over a template's service for one unit: a function of the unit's specification.
///
/// The syntax is that of systemd.syntax(7) and systemd.service(5). What systemd would not take as it is meant
/// (a control character in a variable, a quote in an executable's path) is refused, for systemd leaves out
/// with a warning what it does not understand.
struct UnitDropIn: Sendable, Equatable {
    /// The variable that a process can be told by.
    static let variable = "CONSTINTEL_SPECIFICATION"

    let text: String

    init(_ unit: UnitSpecification) throws(Fault) {
        var lines = [
            "# Written by ConstIntel from what is meant for this unit; changes are overwritten.",
            "[Service]",
            "ExecStart=",
        ]
        lines.append("ExecStart=" + (try UnitDropIn.command(unit)))
        if unit.workingDirectory != "/" {
            let path = try UnitDropIn.path(unit.workingDirectory, "workingDirectory")
            lines.append("WorkingDirectory=" + path)
        }
        if let user = unit.user { lines.append("User=" + (try UnitDropIn.userName(user))) }
        for (name, value) in unit.environment.sorted(by: { $0.key < $1.key }) {
            lines.append("Environment=" + (try UnitDropIn.assignment(name, value)))
        }
        lines.append("Environment=" + (try UnitDropIn.assignment(UnitDropIn.variable, unit.digest)))
        for (name, path) in unit.credentials.sorted(by: { $0.key < $1.key }) {
            lines.append("LoadCredential=" + (try UnitDropIn.credential(name, path)))
        }
        lines.append("KillSignal=\(unit.stopSignal)")
        lines.append("TimeoutStopSec=\(unit.stopTimeout.inMicroseconds)us")
        lines.append("TimeoutStartSec=\(unit.startTimeout.inMicroseconds)us")
        lines += UnitDropIn.limits(unit.limits)
        text = lines.joined(separator: "\n") + "\n"
    }

    private static func limits(_ limits: ResourceLimits) -> [String] {
        var lines: [String] = []
        if let bytes = limits.memoryBytes { lines.append("MemoryMax=\(bytes)") }
        if let percent = limits.cpuPercent {
            lines.append("CPUQuota=\(percent)%")
            lines.append("CPUQuotaPeriodSec=\(quotaPeriod(percent: percent))ms")
        }
        if let tasks = limits.tasks { lines.append("TasksMax=\(tasks)") }
        if let weight = limits.ioWeight { lines.append("IOWeight=\(weight)") }
        return lines
    }

    /// What it takes of a processor, in milliseconds, to set a unit's sandbox up and to start an instance in
    /// it, twice over.
    private static let startCost = 250

    /// Over how many milliseconds a quota is counted: so many that a start fits in, for who has used it up
    /// stands still until the next period. 100 ms is systemd's default, a second the kernel's most.
    private static func quotaPeriod(percent: Int) -> Int {
        min(max(startCost * 100 / max(percent, 1), 100), 1000)
    }
}

// MARK: - Quoting

extension UnitDropIn {
    /// The colon has systemd leave `$` alone, in the executable's path too, where it cannot be escaped.
    private static func command(_ unit: UnitSpecification) throws(Fault) -> String {
        let executable = unit.executable
        guard executable.hasPrefix("/"), executable.unicodeScalars.allSatisfy({ !isUnsafeInPath($0) }) else {
            throw refusal("executable", "'\(executable)' is no absolute path that systemd can run")
        }
        var words = [":" + quoted(executable)]
        for argument in unit.arguments {
            guard !argument.utf8.contains(0) else {
                throw refusal("arguments", "an argument has a null byte")
            }
            words.append(quoted(argument))
        }
        return words.joined(separator: " ")
    }

    private static func assignment(_ name: String, _ value: String) throws(Fault) -> String {
        let letters = name.utf8
        guard let first = letters.first, !(0x30...0x39).contains(first),
            letters.allSatisfy({ byte in
                (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                    || byte == UInt8(ascii: "_")
            })
        else { throw refusal("environment", "'\(name)' is no variable's name") }
        guard value.unicodeScalars.allSatisfy({ !isControl($0) || $0 == "\n" || $0 == "\t" }) else {
            throw refusal("environment.\(name)", "its value has a control character")
        }
        return quoted("\(name)=\(value)")
    }

    private static func credential(_ name: String, _ file: String) throws(Fault) -> String {
        let isName =
            !name.isEmpty && name.utf8.count <= 255 && name.first != "."
            && name.utf8.allSatisfy { (0x21...0x7E).contains($0) && !"/:".utf8.contains($0) }
        guard isName else { throw refusal("credentials", "'\(name)' is no credential's name") }
        return escaped(name) + ":" + (try path(file, "credentials.\(name)"))
    }

    private static func userName(_ name: String) throws(Fault) -> String {
        let isName =
            (1...31).contains(name.utf8.count) && name.first?.isLetter == true
            && name.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte) || "_-".utf8.contains(byte)
            }
        guard isName else { throw refusal("user", "'\(name)' is no user's name") }
        return name
    }

    /// A path that is the rest of a line, where nothing is quoted.
    private static func path(_ path: String, _ field: String) throws(Fault) -> String {
        guard path.hasPrefix("/"), path.unicodeScalars.allSatisfy({ !isControl($0) }),
            path.last != "\\", path.last != " "
        else { throw refusal(field, "'\(path)' is no absolute path that systemd can read") }
        return escaped(path)
    }

    /// One word, whatever is in it.
    private static func quoted(_ text: String) -> String {
        var word = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": word += "\\\(scalar)"
            case "%": word += "%%"
            case "\n": word += "\\n"
            case "\t": word += "\\t"
            case let scalar where isControl(scalar):
                let digits = String(scalar.value, radix: 16)
                word += digits.count == 1 ? "\\x0\(digits)" : "\\x\(digits)"
            default: word.unicodeScalars.append(scalar)
            }
        }
        return word + "\""
    }

    private static func escaped(_ text: String) -> String { text.replacing("%", with: "%%") }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool { scalar < " " || scalar == "\u{7F}" }

    private static func isUnsafeInPath(_ scalar: Unicode.Scalar) -> Bool {
        isControl(scalar) || scalar == "\"" || scalar == "'" || scalar == "\\"
    }

    private static func refusal(_ field: String, _ detail: String) -> Fault {
        Fault(.invalid, doing: "describe a unit to systemd", detail, field: field)
    }
}
