import AsyncHTTPClient
import Contract
import Foundation
import Kernel
import NIOCore
import Synchronization
import Testing

@testable import DataPlane

@Suite("Files sent in pieces", .timeLimit(.minutes(5)))
struct UploadTests {
    private static let text = "mail,value\n" + (1...2000).map { "u\($0)@b.c,1.00\n" }.joined()
    private static let map = "map=email:mail&map=total:value"

    private func begin(_ instance: TestInstance, length: Int? = nil) async throws -> Upload {
        let answer = try await instance.call(
            "POST", "/api/uploads",
            headers: [
                "Tus-Resumable": "1.0.0", "Upload-Length": String(length ?? UploadTests.text.utf8.count),
                "Upload-Metadata": "filename b3JkZXJzLmNzdg==,empty",
            ])
        #expect(answer.status == 201, "\(answer.text)")
        let upload = try answer.json(Upload.self)
        #expect(answer.headers["location"] == "uploads/\(upload.id)")
        #expect(upload.metadata == ["filename": "orders.csv", "empty": ""])
        return upload
    }

    private func append(
        _ bytes: some Collection<UInt8>, to upload: Upload, at offset: Int, of instance: TestInstance
    ) async throws -> Answer {
        try await instance.call(
            "PATCH", "/api/uploads/\(upload.id)", Array(bytes),
            headers: [
                "Tus-Resumable": "1.0.0", "Upload-Offset": String(offset),
                "Content-Type": "application/offset+octet-stream",
            ])
    }

    private func offset(_ upload: Upload, of instance: TestInstance) async throws -> Int? {
        let answer = try await instance.call(
            "HEAD", "/api/uploads/\(upload.id)", headers: ["Tus-Resumable": "1.0.0"])
        #expect(answer.status == 200 && answer.headers["cache-control"] == "no-store")
        #expect(answer.headers["tus-resumable"] == "1.0.0")
        return answer.headers["upload-offset"].flatMap { Int($0) }
    }

    private func ended(_ answer: Answer, of instance: TestInstance) async throws -> OperationView {
        #expect(answer.status == 202, "\(answer.text)")
        var shown = try answer.json(OperationView.self)
        try await eventually("the import ends") {
            shown = try await instance.get("/api/operations/\(shown.id)")
            return shown.state.isFinal
        }
        return shown
    }

    @Test("a file that came in pieces is imported like one that came whole, once however often it is asked")
    func whole() async throws {
        try await TestInstance.serving { instance in
            let bytes = Array(UploadTests.text.utf8)
            let upload = try await begin(instance)
            var at = 0
            for size in [1, 7, 10_000, bytes.count] {
                let piece = bytes[at..<min(bytes.count, at + size)]
                let answer = try await append(piece, to: upload, at: at, of: instance)
                at += piece.count
                #expect(answer.status == 204 && answer.headers["upload-offset"] == "\(at)")
                #expect(try await offset(upload, of: instance) == at)
            }
            let path = "/api/integrations/csv?upload=\(upload.id)&\(UploadTests.map)"
            let first = try await instance.call("POST", path)
            let second = try await instance.call("POST", path)
            let operation = try await ended(first, of: instance)
            #expect(try second.json(OperationView.self).id == operation.id)
            #expect(operation.id.uuid == upload.id.uuid)
            #expect(operation.counts?["accepted"] == 2000 && operation.counts?["rejected"] == 0)
            #expect(try await instance.stats().revenue == "2000.00")
            let left = try await instance.footprint()
            #expect(left["uploads"] == 0 && left["upload"] == 0)
            try await instance.call("GET", "/api/uploads/\(upload.id)").expectProblem(
                404, .notFound, nil, "no upload")
        }
    }

    @Test("what had come when a connection broke is kept, and the file goes on there, also after a restart")
    func resumed() async throws {
        try await TestInstance.with { instance in
            let bytes = Array(UploadTests.text.utf8)
            var upload: Upload?
            try await instance.serving(abruptly: true) {
                let begun = try await begin(instance)
                upload = begun
                await #expect(throws: CutOff.self) {
                    try await instance.cut(
                        begun, sending: Array(bytes.prefix(20_000)), of: bytes.count
                    ) {
                        try await eventually("the bytes are there") {
                            try instance.fileSizes() == [20_000]
                        }
                        throw CutOff()
                    }
                }
                try await eventually("what has come counts") {
                    try await offset(begun, of: instance) == 20_000
                }
            }
            let begun = try #require(upload)
            // A file that no upload has, as a kill may leave it.
            let orphan = instance.directory + "/imports/\(UploadID(at: begun.createdAt)).upload"
            try Data("orphan".utf8).write(to: URL(fileURLWithPath: orphan))
            // Bytes that nobody was told of, as a crash of the machine may leave them.
            let file = try #require(
                FileHandle(forWritingAtPath: instance.directory + "/imports/\(begun.id).upload"))
            try file.seekToEnd()
            try file.write(contentsOf: Data("garbage".utf8))
            try file.close()
            try await instance.serving {
                #expect(try await offset(begun, of: instance) == 20_000)
                try await eventually("the orphan is gone") {
                    !FileManager.default.fileExists(atPath: orphan)
                }
                let rest = try await append(bytes.dropFirst(20_000), to: begun, at: 20_000, of: instance)
                #expect(rest.status == 204)
                #expect(try instance.bytes(of: begun) == bytes)
                let operation = try await ended(
                    try await instance.call(
                        "POST", "/api/integrations/csv?upload=\(begun.id)&\(UploadTests.map)"), of: instance)
                #expect(operation.counts?["accepted"] == 2000 && operation.counts?["rejected"] == 0)
            }
        }
    }

    @Test("a piece at the wrong place, of too many bytes or of another kind changes nothing")
    func wrongPieces() async throws {
        try await TestInstance.serving { instance in
            let upload = try await begin(instance, length: 10)
            #expect(try await append(Array("mail".utf8), to: upload, at: 0, of: instance).status == 204)
            try await append(Array("x".utf8), to: upload, at: 0, of: instance)
                .expectProblem(409, .conflict, "Upload-Offset", "the upload is at 4, not at 0")
            try await append(Array("x".utf8), to: upload, at: 5, of: instance)
                .expectProblem(409, .conflict, "Upload-Offset", "at 4, not at 5")
            #expect(try await offset(upload, of: instance) == 4)
            try await instance.call(
                "PATCH", "/api/uploads/\(upload.id)", [1],
                headers: ["Upload-Offset": "4", "Content-Type": "text/csv"]
            ).expectProblem(415, .unsupportedMediaType, "Content-Type", "application/offset+octet-stream")
            try await instance.call(
                "PATCH", "/api/uploads/\(upload.id)", [1],
                headers: ["Content-Type": "application/offset+octet-stream"]
            ).expectProblem(400, .invalid, "Upload-Offset", "where the piece begins")
            let other = try await instance.call(
                "HEAD", "/api/uploads/\(upload.id)", headers: ["Tus-Resumable": "0.2.2"])
            #expect(other.status == 412 && other.headers["tus-version"] == "1.0.0")
            try await instance.call("POST", "/api/integrations/csv?upload=\(upload.id)&\(UploadTests.map)")
                .expectProblem(409, .conflict, "upload", "4 of 10 bytes")
            // The bytes that were announced are kept of a piece that has more.
            try await append(Array(",value,too much".utf8), to: upload, at: 4, of: instance)
                .expectProblem(413, .tooLarge, nil, "more bytes than the 10 announced")
            #expect(try await offset(upload, of: instance) == 10)
        }
    }

    @Test("an upload that is no file of the mapped columns is refused, stays, and is imported in another way")
    func otherMapping() async throws {
        try await TestInstance.serving { instance in
            let bytes = Array("mail;value\na@b.c;1\n".utf8)
            let upload = try await begin(instance, length: bytes.count)
            #expect(try await append(bytes, to: upload, at: 0, of: instance).status == 204)
            try await instance.call("POST", "/api/integrations/csv?upload=\(upload.id)&map=email:e-mail")
                .expectProblem(400, .invalid, "map", "there is no column 'e-mail'")
            #expect(try instance.fileSizes() == [bytes.count], "it has its own name alone")
            let operation = try await ended(
                try await instance.call(
                    "POST", "/api/integrations/csv?upload=\(upload.id)&\(UploadTests.map)"), of: instance)
            #expect(operation.counts?["accepted"] == 1)
        }
    }

    @Test("bad beginnings are refused, at most 16 uploads are open, and those that wait too long go")
    func limits() async throws {
        try await TestInstance.serving { instance in
            for (length, metadata, status, field) in [
                (nil, "", 400, "Upload-Length"), ("0", "", 400, "Upload-Length"),
                ("-1", "", 400, "Upload-Length"), ("x", "", 400, "Upload-Length"),
                ("2147483649", "", 413, "Upload-Length"), ("5", "name !!!", 400, "Upload-Metadata"),
                ("5", "a YQ==,a YQ==", 400, "Upload-Metadata"), ("5", "a YQ== b", 400, "Upload-Metadata"),
                ("5", "a AA==", 400, "Upload-Metadata"),
                ("5", (1...11).map { "k\($0) YQ==" }.joined(separator: ","), 400, "Upload-Metadata"),
            ] as [(String?, String, Int, String)] {
                var headers = ["Upload-Metadata": metadata]
                headers["Upload-Length"] = length
                let answer = try await instance.call("POST", "/api/uploads", headers: headers)
                answer.expectProblem(
                    status, status == 413 ? .tooLarge : .invalid, field, "", "\(length ?? "") \(metadata)")
            }
            var uploads: [Upload] = []
            for _ in 1...16 { uploads.append(try await begin(instance, length: 5)) }
            let refused = try await instance.call("POST", "/api/uploads", headers: ["Upload-Length": "5"])
            refused.expectProblem(429, .limited, nil, "16 uploads are open already")
            let page = try await instance.get("/api/uploads?limit=10", as: Page<Upload>.self)
            let cursor = try #require(page.nextCursor)
            let rest = try await instance.get("/api/uploads?cursor=\(cursor)", as: Page<Upload>.self)
            #expect((page.items + rest.items).map(\.id) == uploads.reversed().map(\.id))
            #expect(try await append([1, 2], to: uploads[0], at: 0, of: instance).status == 204)
            let gone = try await instance.call("DELETE", "/api/uploads/\(uploads[0].id)")
            #expect(gone.status == 204)
            #expect(try instance.fileSizes() == Array(repeating: 0, count: 15))
            try await instance.brand.database.run(
                "update upload set expires_at = now() where id = \(uploads[1].id)")
            try await append([1], to: uploads[1], at: 0, of: instance).expectProblem(404, .notFound, nil, "")
            try await eventually("it is thrown away") {
                let left = try await instance.footprint()
                return left["upload"] == 14 && left["uploads"] == 14
            }
        }
    }

    @Test("while one request writes to an upload, another does not")
    func oneAtATime() async throws {
        try await TestInstance.serving { instance in
            let upload = try await begin(instance, length: 100)
            // What is expected where it is asked would be nobody's: that runs in a task of the client.
            let second = Mutex<Answer?>(nil)
            await #expect(throws: CutOff.self) {
                try await instance.cut(upload, sending: [1, 2, 3], of: 100) {
                    try await eventually("the bytes are there") { try instance.fileSizes() == [3] }
                    let answer = try await append([9], to: upload, at: 0, of: instance)
                    second.withLock { $0 = answer }
                    throw CutOff()
                }
            }
            try #require(second.withLock { $0 })
                .expectProblem(409, .conflict, nil, "another request is writing")
            try await eventually("what has come counts") { try await offset(upload, of: instance) == 3 }
        }
    }
}

private struct CutOff: Error {}

extension TestInstance {
    /// The sizes of the files that uploads have left, in order.
    fileprivate func fileSizes() throws -> [Int] {
        let place = directory + "/imports"
        return try FileManager.default.contentsOfDirectory(atPath: place).map { name in
            try FileManager.default.attributesOfItem(atPath: "\(place)/\(name)")[.size] as? Int ?? -1
        }.sorted()
    }

    /// What is in the file of an upload.
    fileprivate func bytes(of upload: Upload) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: "\(directory)/imports/\(upload.id).upload")))
    }

    /// Sends the beginning of a piece, does `body`, and breaks the connection when that throws.
    fileprivate func cut(
        _ upload: Upload, sending beginning: [UInt8], of length: Int,
        then body: @escaping @Sendable () async throws -> Void
    ) async throws {
        let socket = (directory + "/s").addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        var request = HTTPClientRequest(url: "http+unix://\(socket)/api/uploads/\(upload.id)")
        request.method = .PATCH
        for (name, value) in [
            ("Authorization", "Bearer \(key)"), ("Upload-Offset", "0"),
            ("Content-Type", "application/offset+octet-stream"),
        ] {
            request.headers.add(name: name, value: value)
        }
        let isBegun = Atomic(false)
        let pieces = AsyncThrowingStream<ByteBuffer, any Error> {
            if isBegun.exchange(true, ordering: .relaxed) {
                try await body()
                return nil
            }
            return ByteBuffer(bytes: beginning)
        }
        request.body = .stream(pieces, length: .known(Int64(length)))
        _ = try await HTTPClient.shared.execute(request, timeout: .seconds(60))
    }
}
