import Contract
import Events
import Kernel

extension Imports {
    /// Imports a file that was sent in pieces. Asked again, it answers with the same operation.
    ///
    /// - Throws: as `receive`, and `Fault.notFound` when there is no such upload, `Fault.conflict` while a
    ///   part of it is missing. The upload stays then, and can be imported in another way.
    public func receive(
        _ id: UploadID, options: ImportOptions, isTest: Bool
    ) async throws -> OperationView {
        let operation = OperationID(id.uuid)
        if let known = try await known(operation) { return known }
        do {
            return try await take(id, as: operation, options: options, isTest: isTest)
        } catch let fault as Fault where fault.code == .notFound || fault.code == .gone {
            // Another request for the same has ended meanwhile.
            guard let known = try await known(operation) else { throw fault }
            return known
        }
    }

    /// The import of an upload that is begun already; of the upload nothing is left then.
    private func known(_ operation: OperationID) async throws -> OperationView? {
        guard let known = try await operations.show(operation) else { return nil }
        try await uploads.discard(UploadID(operation.uuid))
        return known
    }

    private func take(
        _ id: UploadID, as operation: OperationID, options: ImportOptions, isTest: Bool
    ) async throws -> OperationView {
        var upload = try await uploads.show(id, doing: ImportOptions.doing)
        // Held until the operation is there: of several requests, one takes the file.
        let held = try await uploads.file(id).open {
            upload = try await uploads.show(id, doing: ImportOptions.doing)
            return upload.received
        }
        defer { extend(held) }
        guard upload.isWhole else {
            throw Fault(
                .conflict, doing: ImportOptions.doing,
                "the upload has \(upload.received) of \(upload.length) bytes", field: "upload")
        }
        let underWay = receiving.begin(operation)
        defer { receiving.end(operation) }
        try await checkRoom(receiving: underWay)
        var input = Input(options: options, isTest: isTest, bytes: upload.length)
        try input.settle(by: try uploads.file(id).beginning())
        // The file has both names until the operation is there: killed in between, the upload is as it was.
        let file = ImportFile(directory: surroundings.directory, operation: operation)
        try uploads.file(id).link(as: file.path)
        let begun: OperationView
        do {
            begun = try await begin(operation, input, at: surroundings.clock.now())
        } catch {
            // What was not answered may have been done.
            guard let known = try await operations.show(operation) else {
                file.remove()
                throw error
            }
            begun = known
        }
        try await uploads.discard(id)
        return begun
    }

    /// Keeps a file open until here.
    private func extend(_ file: borrowing GrowingFile) {}
}
