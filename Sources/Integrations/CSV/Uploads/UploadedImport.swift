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
        if let known = try await operations.show(operation) { return known }
        let upload = try await uploads.show(id, doing: ImportOptions.doing)
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
            // Somebody else has begun it at the same time, or it has to be asked again.
            guard let known = try await operations.show(operation) else {
                file.remove()
                throw error
            }
            begun = known
        }
        try await uploads.remove(id)
        return begun
    }
}
