import Contract
import Foundation
import Kernel
import Supervision

/// What is there of brands that are not: an interrupted removal, a restored database, somebody's experiment.
struct LeftoverCheck: Sendable {
    let fleet: FleetCheckStore
    let tenants: TenantCheckStore
    let streamUsers: StreamUsers
    let supervisor: any Supervisor
    let layout: StateLayout

    /// Leftovers that are named.
    private static let named = 5

    var check: Check {
        Check(
            name: "leftovers", needs: [.controlDatabase, .brandsDatabase, .redis],
            remedy: "look whose they were, then remove them; runbooks/check.md"
        ) {
            // What is there is read before what is known: a brand that is being made is known first.
            let marked = try await tenants.marked()
            let users = try await streamUsers.all().filter { $0.hasPrefix("brand-") }
            let units = await supervisor.statuses().keys.compactMap(Slug.init(unitName:))
            let files = try files()
            let names = try await fleet.names()
            var found = LeftoverCheck.leftovers(marked, names)
            let unknown = { (slug: Slug) in names.present[slug] == nil }
            found += users.filter { user in (try? Slug(user.dropFirst(6))).map(unknown) ?? false }
                .map { "Redis user \($0)" }
            found += units.filter(unknown).map { "unit \($0.unitName)" }
            found += files.filter { unknown($0.slug) }.map(\.path)
            guard !found.isEmpty else { return .ok("none") }
            let rest = found.count - LeftoverCheck.named
            let more = rest > 0 ? ", and \(rest) more" : ""
            let told = found.sorted().prefix(LeftoverCheck.named).joined(separator: ", ")
            return .warning("\(found.count) of brands that do not exist: \(told)\(more)")
        }
    }

    /// Schemas and roles whose mark is no brand's. A role that has nothing to do with this database is ours
    /// when its brand was.
    private static func leftovers(
        _ marked: [(name: String, mark: String, isOfHere: Bool)], _ names: FleetCheckStore.Names
    ) -> [String] {
        let present = Set(names.present.values.map(TenantStore.mark))
        let retired = Set(names.retired.map(TenantStore.mark))
        return marked.filter { name, mark, isOfHere in
            !present.contains(mark) && (isOfHere || retired.contains(mark))
        }.map(\.name)
    }

    /// Sockets, markers and directories that are named after brands.
    private func files() throws -> [(slug: Slug, path: String)] {
        var files: [(slug: Slug, path: String)] = []
        let places = [
            (layout.instanceSockets, [".sock", StateLayout.markerEnding]), ("\(layout.root)/instances", [""]),
        ]
        for (directory, endings) in places {
            for name in (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? [] {
                for ending in endings where name.hasSuffix(ending) {
                    guard let slug = try? Slug(name.dropLast(ending.count)) else { continue }
                    files.append((slug, "\(directory)/\(name)"))
                }
            }
        }
        return files
    }
}
