import ArgumentParser
import Contract
import Foundation
import Kernel

struct KeyRotate: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate",
        abstract: "Replace an API key by a new one, while the old one works a while longer.",
        discussion: """
            The new key is for the same, under the same name and limits, and is shown this once. Give it to \
            whoever uses the old one before that ends. --overlap 0s ends the old one at once.

            Example:
              constintel key rotate acme 0aB1cD2eF3gH --overlap 7d
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @Argument(help: "The key's public id, as 'constintel key list' shows it.")
    var publicId: String

    @Option(
        help: "How long the old key works on: 0s to 30d (default: 1d).", transform: parseDuration)
    var overlap: Duration?

    @OptionGroup var plan: PlanOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let request = try Request(
            .post, "/api/admin/brands/\(slug)/keys/\(escaped(publicId))/rotate",
            json: APIKeyRotation(overlapSeconds: overlap.map { Int($0.inSeconds) }),
            doing: "rotate the key \(publicId) of '\(slug)'")
        guard let answer = try await service.write(request, unless: plan) else { return }
        try service.report(created: answer)
    }
}

struct KeyReportLeak: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "report-leak",
        abstract: "Revoke every API key that a text contains, such as a secret scanner's finding.",
        discussion: """
            A key is found whole, wherever it stands in the text, and is revoked if there is such a key. \
            Browser keys are meant to be seen, and stay. At most 64 KiB.

            Example:
              constintel key report-leak finding.json --source github
            """)

    private static let doing = "report leaked keys"
    private static let largestText = 64 * 1024

    @Argument(help: "The file; '-' is standard input.", completion: .file())
    var file = "-"

    @Option(help: "Who has found them, for the audit log.")
    var source: String?

    @OptionGroup var plan: PlanOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let request = try Request(
            .post, "/api/admin/keys/report-leak", json: KeyLeakReport(text: try read(), source: source),
            doing: Self.doing)
        guard let answer = try await service.write(request, unless: plan) else { return }
        try service.report(answer) {
            let keys = try answer.decode(KeyLeakAnswer.self).keys
            guard !keys.isEmpty else { return ["There is no key in the text."] }
            return service.lines(
                Table(
                    [.init("public id"), .init("brand"), .init("environment"), .init("outcome")],
                    rows: keys.map { [$0.publicId, $0.brand, $0.environment, $0.outcome.inWords] }))
        }
    }

    /// Whatever can be in no key is a space.
    private func read() throws -> String {
        let input = try InputFile(file, doing: Self.doing)
        var bytes: [UInt8] = []
        while let piece = try input.read(upTo: 1 << 16) {
            bytes.append(contentsOf: piece.readableBytesView)
            guard bytes.count <= Self.largestText else {
                throw Fault(
                    .tooLarge, doing: Self.doing,
                    "\(file) has more than \(Self.largestText >> 10) KiB; report it in parts")
            }
        }
        return String(decoding: bytes.map { (0x20..<0x7F).contains($0) ? $0 : 0x20 }, as: UTF8.self)
    }
}

extension KeyLeakAnswer.Key.Outcome {
    /// What a person reads of it.
    fileprivate var inWords: String {
        switch self {
        case .revoked: "revoked"
        case .revokedBefore: "revoked before"
        case .published: "meant to be seen: revoke it by hand if you must"
        case .unknown: "there is no such key"
        case .foreign: "another brand's: tell an admin"
        }
    }
}
