import AsyncHTTPClient
import Foundation
import Kernel
import NIOCore
import Supervision

/// Asks running instances for their metrics, each over its own socket.
///
/// Only instances that their supervisor calls ready are asked: a scrape never wakes a brand.
struct InstanceScrape: Sendable {
    /// How long one instance may take to answer.
    static let timeout = Duration.seconds(1)
    /// Instances that are asked at the same time.
    static let parallel = 32
    /// Bytes that one instance may answer.
    static let answerBytes = 4 << 20

    let layout: StateLayout

    /// The answers of the instances among `units`, by slug; nil for one that is meant to serve and did not
    /// answer.
    func answers(of units: [String: UnitStatus]) async -> [(slug: Slug, text: String?)] {
        let instances = units.compactMap { name, status in
            Slug(unitName: name).map { (slug: $0, state: status.state) }
        }.filter { ![.asleep, .stopped, .stopping].contains($0.state) }.sorted { $0.slug < $1.slug }
        return await withTaskGroup(of: (Slug, String?).self) { group in
            var answers: [(slug: Slug, text: String?)] = []
            for (index, instance) in instances.enumerated() {
                if index >= InstanceScrape.parallel, let answer = await group.next() {
                    answers.append(answer)
                }
                group.addTask {
                    (instance.slug, instance.state == .ready ? await metrics(of: instance.slug) : nil)
                }
            }
            for await answer in group { answers.append(answer) }
            return answers.sorted { $0.slug < $1.slug }
        }
    }

    private func metrics(of slug: Slug) async -> String? {
        guard let base = HTTPClientRequest.base(socket: layout.socket(slug)) else { return nil }
        var request = HTTPClientRequest(url: base + "/metrics")
        // Nothing is kept open that an instance would have to wait for when it leaves.
        request.headers.add(name: "Connection", value: "close")
        let deadline = NIODeadline.now() + TimeAmount(InstanceScrape.timeout)
        guard let response = try? await HTTPClient.shared.execute(request, deadline: deadline),
            response.status == .ok,
            let body = try? await response.body.collect(upTo: InstanceScrape.answerBytes)
        else { return nil }
        return String(buffer: body)
    }
}

extension Slug {
    /// The brand whose instance a supervisor knows by this name; nil for other units.
    init?(unitName: String) {
        guard let at = unitName.firstIndex(of: "@"),
            let slug = try? Slug(String(unitName[unitName.index(after: at)...])), slug.unitName == unitName
        else { return nil }
        self = slug
    }
}

extension HTTPClientRequest {
    /// The URL of whoever serves on a unix socket.
    fileprivate static func base(socket path: String) -> String? {
        path.addingPercentEncoding(withAllowedCharacters: .alphanumerics).map { "http+unix://\($0)" }
    }
}
