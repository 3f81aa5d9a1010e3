"""Django in one file, as WSGI and as ASGI."""
import json

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="for the test",
                   DEBUG=False, MIDDLEWARE=["django.middleware.common.CommonMiddleware"])
django.setup()


def hello(request):
    return HttpResponse("Hello, world!")


def echo(request):
    return JsonResponse(json.loads(request.body))


def stream(request):
    return StreamingHttpResponse((f"line {i}\n" for i in range(5)), content_type="text/plain")


def boom(request):
    raise RuntimeError("as planned")


urlpatterns = [path("", hello), path("echo", echo), path("stream", stream), path("boom", boom)]
wsgi = get_wsgi_application()
asgi = get_asgi_application()
