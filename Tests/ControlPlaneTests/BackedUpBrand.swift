import Backup
import Contract
import Foundation
import HTTPTypes
import Kernel
import Postgres
import TestSupport
import Testing

@testable import ControlPlane

extension TestPlane {
    /// A provisioned brand with three products.
    func brandWithProducts() async throws -> Slug {
        let slug = try TestPlane.slug()
        try await provision(slug)
        try await foundations.brands.run(
            """
            insert into \(identifier: slug.schemaName).product
                (product_id, name, price, currency, set_at, created_at, updated_at)
            select 'p' || n, E'a\\tname\\nof two lines', n, 'USD', now(), now(), now()
            from generate_series(1, 3) as n
            """)
        return slug
    }

    /// A connection that holds the table of products, so that a backup waits for it.
    func holdingProducts(of slug: Slug) async throws -> PostgresConnection {
        let holder = try await PostgresConnection.connect(
            schema().administrator.with(database: foundations.places.brandsDatabase), on: TestServers.reactor)
        try await holder.run("begin")
        try await holder.run("lock table \(identifier: slug.schemaName).product in access exclusive mode")
        return holder
    }

    func products(_ slug: Slug) async throws -> [String] {
        try await foundations.brands.run(
            """
            select product_id || ' ' || price::numeric(10, 2) from \(identifier: slug.schemaName).product
            order by product_id
            """
        ).map { try $0.decode(0, as: String.self) }
    }

    /// Begins what answers 202.
    func begin(
        _ method: HTTPRequest.Method, _ path: String, _ slug: Slug,
        _ body: (any Encodable & Sendable)? = nil
    ) async throws -> OperationID {
        let answer = try await call(method, "/api/admin/brands/\(slug)\(path)", body)
        guard answer.status == 202 else { throw try answer.problem }
        return try answer.decode(OperationView.self).id
    }

    /// The same to its end, which must be a good one.
    func done(
        _ method: HTTPRequest.Method, _ path: String, _ slug: Slug,
        _ body: (any Encodable & Sendable)? = nil
    ) async throws {
        let ended = try await settle(begin(method, path, slug, body))
        try #require(ended.state == .done, "\(ended.kind): \(ended.error ?? "")")
    }

    func receipt(_ slug: Slug) async throws -> BackupReceiptView {
        try await call(.get, "/api/admin/brands/\(slug)/backups/receipt").decode(BackupReceiptView.self)
    }

    /// Brings whatever is open about the brand to its end.
    func settleAll(_ slug: Slug) async throws {
        let all = try await call(.get, "/api/admin/operations?subject=\(slug)")
            .decode(Page<OperationView>.self).items
        for operation in all where !operation.state.isFinal { try await settle(operation.id) }
    }

    var backupSettings: BackupRepository.Settings {
        BackupRepository.Settings(
            base: foundations.layout.backups, passwordFile: foundations.keys.backupPasswordFile,
            cacheDirectory: "\(foundations.layout.root)/cache")
    }
}
