"""An S3-compatible service in this process, with the operations that media need."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from xml.sax.saxutils import escape

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.http.server.server import bind, serving


@dataclass
class S3Service:
    """The stored objects: content and type by key. All requests can fail, or only those for `refused` keys."""

    endpoint: str = ""
    objects: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    uploads: dict[str, tuple[dict[int, bytes], str]] = field(default_factory=dict)
    signed: list[str] = field(default_factory=list)
    is_failing: bool = False
    failure: int = 500
    refused: set[str] = field(default_factory=set)
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def answer(self, request: Request) -> Response:
        self.signed.append(request.headers.get("authorization", ""))
        if self.is_failing:
            return Response(status_code=self.failure)
        key = request.path_params.get("key", "")
        if key in self.refused:
            return Response(status_code=403)
        query = request.query_params
        body = await request.body()
        match request.method:
            case "PUT" if "uploadId" in query:
                self.uploads[query["uploadId"]][0][int(query["partNumber"])] = body
                return Response(headers={"ETag": f'"{query["partNumber"]}"'})
            case "PUT":
                self.objects[key] = body, request.headers.get("content-type", "")
                return Response(headers={"ETag": '"whole"'})
            case "POST" if "uploads" in query:
                upload = f"upload-{next(self.numbers)}"
                self.uploads[upload] = {}, request.headers.get("content-type", "")
                return _xml(
                    f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId>"
                    "</InitiateMultipartUploadResult>"
                )
            case "POST" if "uploadId" in query:
                parts, content_type = self.uploads.pop(query["uploadId"])
                self.objects[key] = b"".join(parts[number] for number in sorted(parts)), content_type
                return _xml("<CompleteMultipartUploadResult><ETag>whole</ETag></CompleteMultipartUploadResult>")
            case "DELETE":
                self.objects.pop(key, None)
                return Response(status_code=204)
            case _ if not key:
                return self._list()
        return self._object(key, request)

    def _object(self, key: str, request: Request) -> Response:
        if key not in self.objects:
            return Response(status_code=404)
        content, content_type = self.objects[key]
        headers = {
            "ETag": '"whole"',
            "Last-Modified": format_datetime(datetime.now(UTC), usegmt=True),
            "Content-Type": content_type,
        }
        wanted = request.headers.get("range")
        if wanted is None:
            if request.method == "HEAD":
                return Response(headers={**headers, "Content-Length": str(len(content))})
            return Response(content, headers=headers)
        first, last = (int(number) for number in wanted.removeprefix("bytes=").split("-"))
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        return Response(content[first : last + 1], status_code=206, headers=headers)

    def _list(self) -> Response:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{now}</LastModified><ETag>whole</ETag>"
            f"<Size>{len(content)}</Size></Contents>"
            for key, (content, _) in sorted(self.objects.items())
        )
        return _xml(f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>")


def _xml(text: str) -> Response:
    return Response(f'<?xml version="1.0" encoding="UTF-8"?>{text}', media_type="application/xml")


@asynccontextmanager
async def s3_service(bucket: str) -> AsyncIterator[S3Service]:
    """Serve one bucket on a free port."""
    service = S3Service()
    methods = ["GET", "HEAD", "PUT", "POST", "DELETE"]
    app = Starlette(
        routes=[
            Route(f"/{bucket}", service.answer, methods=methods),
            Route(f"/{bucket}/{{key:path}}", service.answer, methods=methods),
        ]
    )
    listener = bind("127.0.0.1", 0)
    service.endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with serving(app, listener):
        yield service
